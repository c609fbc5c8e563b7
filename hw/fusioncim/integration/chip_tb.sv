// Self-checking bench of @top: one small job on a memory that the bench brings.
//
// @{top}_tb_before.hex has the memory with operands, tables and record; @{top}_tb_after.hex is what the golden model
// leaves of it. The bench reads the ID, pushes the job, waits for it, and compares every word. It ends with PASS, or
// with FAIL and an error.

`timescale 1ns / 1ps

module @{top}_tb;
  localparam WORDS = @words; // of the memory, a beat each
  localparam LIMIT = @limit; // cycles

  reg clk = 1'b0;
  reg @reset = 1'b@inactive;
  integer cycles = 0;
  integer errors = 0;
  integer n;
  reg [31:0] value;
  reg [@{high_data}:0] after [0:WORDS-1];

@wires
  @top dut (
@pins
  );

@memories
  task stop(input integer bad, input [8*40-1:0] why);
    begin
      if (bad != 0) begin
        $display("FAIL: %0s", why);
        $fatal(1);
      end
    end
  endtask

  task write(input [@high_register:0] address, input [31:0] data);
    begin
      @@(negedge clk);
      s_axil_awaddr = address;
      s_axil_wdata = data;
      s_axil_awvalid = 1'b1;
      s_axil_wvalid = 1'b1;
      while (s_axil_awvalid || s_axil_wvalid) begin
        @@(posedge clk);
        value[1:0] = {s_axil_awready, s_axil_wready};
        @@(negedge clk);
        if (value[1]) s_axil_awvalid = 1'b0;
        if (value[0]) s_axil_wvalid = 1'b0;
      end
      while (!s_axil_bvalid) @@(negedge clk);
      stop(s_axil_bresp != 2'b00, "a write was refused");
      @@(negedge clk);
    end
  endtask

  task read(input [@high_register:0] address);
    begin
      @@(negedge clk);
      s_axil_araddr = address;
      s_axil_arvalid = 1'b1;
      while (!s_axil_arready) @@(negedge clk);
      @@(negedge clk);
      s_axil_arvalid = 1'b0;
      while (!s_axil_rvalid) @@(negedge clk);
      stop(s_axil_rresp != 2'b00, "a read was refused");
      value = s_axil_rdata;
      @@(negedge clk);
    end
  endtask

  // The clock stands still at first.
  initial #100 forever #@half clk = !clk;
  always @@(posedge clk) begin
    cycles = cycles + 1;
    stop(cycles == LIMIT, "the job does not end");
  end

  initial begin
    $readmemh("@{top}_tb_after.hex", after);
    s_axil_awvalid = 1'b0;
    s_axil_wvalid = 1'b0;
    s_axil_arvalid = 1'b0;
    s_axil_awprot = 3'b000;
    s_axil_arprot = 3'b000;
    s_axil_wstrb = 4'b1111;
    s_axil_bready = 1'b1;
    s_axil_rready = 1'b1;
    #10 @reset = 1'b@active;
    #50 if (@asynchronous) stop(@valids !== @idle, "the reset waits for the clock");
    repeat (4) @@(posedge clk);
    #1 stop(@valids !== @idle, "a valid is high during reset");
    @reset = 1'b@inactive; // the job comes at once

    read(@id);
    stop(value != @id_value, "the ID is another one");
    write(@address_low, @job_low);
    write(@address_high, @job_high);
    write(@control, @push);
    value = 0;
    while (value[15:0] == 16'd0) read(@completed);
    read(@result);
    stop(value[4:0] != 5'd0, "the job ended badly");
    for (n = 0; n < WORDS; n = n + 1)
      if (memory.words[n] !== after[n]) begin
        errors = errors + 1;
        if (errors <= 5) $display("word %0d is %h, must be %h", n, memory.words[n], after[n]);
      end
    stop(errors, "the memory differs from the golden model");
    $display("PASS: @top, %0d words of memory as the golden model leaves them, %0d cycles", WORDS, cycles);
    $finish;
  end
endmodule

// A memory behind AXI4: a burst at a time, no pauses.
module @{top}_tb_memory #(
  parameter WORDS = 1
) (
  input wire clk,
  input wire [@high_address:0] araddr,
  input wire [7:0] arlen,
  input wire arvalid,
  output wire arready,
  output wire [@high_data:0] rdata,
  output wire rlast,
  output wire rvalid,
  input wire rready,
  input wire [@high_address:0] awaddr,
  input wire awvalid,
  output wire awready,
  input wire [@high_data:0] wdata,
  input wire [@high_strobe:0] wstrb,
  input wire wlast,
  input wire wvalid,
  output wire wready,
  output reg bvalid,
  input wire bready
);
  reg [@high_data:0] words [0:WORDS-1];
  reg reading, addressed;
  reg [7:0] left;
  reg [@high_address:0] read_word, write_word;
  integer n;

  initial begin
    $readmemh("@{top}_tb_before.hex", words);
    reading = 1'b0;
    addressed = 1'b0;
    bvalid = 1'b0;
  end

  assign arready = !reading;
  assign rvalid = reading;
  assign rdata = words[read_word];
  assign rlast = left == 8'd0;
  assign awready = !addressed && !bvalid;
  assign wready = addressed;

  always @@(posedge clk) begin
    if (arvalid && arready) begin
      reading <= 1'b1;
      read_word <= araddr >> @beat_bits;
      left <= arlen;
    end else if (rvalid && rready) begin
      reading <= !rlast;
      read_word <= read_word + 1'b1;
      left <= left - 1'b1;
    end
    if (awvalid && awready) begin
      addressed <= 1'b1;
      write_word <= awaddr >> @beat_bits;
    end else if (wvalid && wready) begin
      for (n = 0; n <= @high_strobe; n = n + 1)
        if (wstrb[n]) words[write_word][8*n +: 8] <= wdata[8*n +: 8];
      write_word <= write_word + 1'b1;
      addressed <= !wlast;
      bvalid <= wlast;
    end else if (bready) bvalid <= 1'b0;
  end
endmodule
