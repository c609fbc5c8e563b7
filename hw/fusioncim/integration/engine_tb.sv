// Self-checking bench of @top: the words of one small job go into its streams, what leaves is compared.
//
// @{top}_tb_PORT.hex has the words of a stream, a line each; those of o are from the golden model. The bench ends with
// PASS, or with FAIL and an error.

`timescale 1ns / 1ps

module @{top}_tb;
  localparam BEATS = @beats; // of o
  localparam LIMIT = @limit; // cycles

  reg clk = 1'b0;
  reg @reset = 1'b@inactive;
  reg started = 1'b0;
  integer cycles = 0;
  integer taken = 0;
  integer errors = 0;
  reg [@high_o:0] expected [0:BEATS-1];

@wires
  @top dut (
@pins
  );

@sources
  task stop(input integer bad, input [8*40-1:0] why);
    begin
      if (bad != 0) begin
        $display("FAIL: %0s", why);
        $fatal(1);
      end
    end
  endtask

  // The clock stands still at first.
  initial #100 forever #@half clk = !clk;

  initial begin
    $readmemh("@{top}_tb_o.hex", expected);
    o__ready = 1'b1;
    #10 @reset = 1'b@active;
    #50 if (@asynchronous) stop(o__valid !== 1'b0, "the reset waits for the clock");
    repeat (4) @@(posedge clk);
    #1 stop(o__valid !== 1'b0, "a valid is high during reset");
    @reset = 1'b@inactive; // the job comes at once
    started = 1'b1;
  end

  always @@(posedge clk) begin
    cycles = cycles + 1;
    stop(cycles == LIMIT, "the job does not end");
    if (started && o__valid) begin
      if (o__payload !== expected[taken]) begin
        errors = errors + 1;
        if (errors <= 5) $display("beat %0d is %h, must be %h", taken, o__payload, expected[taken]);
      end
      taken = taken + 1;
      if (taken == BEATS) begin
        stop(errors, "the output differs from the golden model");
        $display("PASS: @top, %0d beats of the golden model, %0d cycles", BEATS, cycles);
        $finish;
      end
    end
  end
endmodule

// The words of a file, one after the other, without pauses.
module @{top}_tb_source #(
  parameter WIDTH = 1,
  parameter WORDS = 1,
  parameter FILE = ""
) (
  input wire clk,
  input wire started,
  output wire [WIDTH-1:0] payload,
  output wire valid,
  input wire ready
);
  reg [WIDTH-1:0] words [0:WORDS-1];
  integer next;

  initial begin
    $readmemh(FILE, words);
    next = 0;
  end

  assign valid = started && next < WORDS;
  assign payload = words[next < WORDS ? next : WORDS - 1];

  always @@(posedge clk)
    if (valid && ready) next <= next + 1;
endmodule
