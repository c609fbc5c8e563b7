// `fusioncim_sram` made of latches: an alternative to the macro, for synthesis. See sram.v for what it does.
//
//   write  address and data are registered; the word's latches are open in the low half of the next cycle, in which both
//          stand still, so that their gate has no glitch
//   read   the address is registered and selects a word statically. A port's own latches are open in the cycle after an
//          enabled read and hold it afterwards; with ARRAY = 1 there are none, and a port follows a write to the word
//          that it shows
//
// A word that is written in the cycle in which it is read changes while it is shown.

// verilator lint_off DECLFILENAME
// verilator lint_off LATCH
module fusioncim_sram #(
  parameter DEPTH = 2,
  parameter WIDTH = 8,
  parameter READS = 1,
  parameter ARRAY = 0,
  parameter ADDRESS = DEPTH > 1 ? $clog2(DEPTH) : 1 // follows from DEPTH: not to be set
) (
  input  wire                     clk,
  input  wire                     write_enable,
  input  wire [ADDRESS-1:0]       write_address,
  input  wire [WIDTH-1:0]         write_data,
  input  wire [READS-1:0]         read_enable,
  input  wire [READS*ADDRESS-1:0] read_address,
  output wire [READS*WIDTH-1:0]   read_data
);
  reg               idle;
  reg [ADDRESS-1:0] place;
  reg [WIDTH-1:0]   data;
  wire              pulse;

  always @(posedge clk) begin
    idle <= !write_enable;
    if (write_enable) begin
      place <= write_address;
      data  <= write_data;
    end
  end

  fusioncim_pulse gate (.clk(clk), .idle(idle), .pulse(pulse));

  wire [DEPTH*WIDTH-1:0] words;

  genvar w, n;
  generate
    for (w = 0; w < DEPTH; w = w + 1) begin : row
      wire            open = pulse && place == w;
      reg [WIDTH-1:0] word;

      always @*
        if (open) word = data;

      assign words[w*WIDTH +: WIDTH] = word;
    end

    for (n = 0; n < READS; n = n + 1) begin : port
      reg [ADDRESS-1:0] shown;
      reg [WIDTH-1:0]   value;
      integer           k;

      always @(posedge clk)
        if (read_enable[n]) shown <= read_address[n*ADDRESS +: ADDRESS];

      always @* begin
        value = {WIDTH{1'b0}};
        for (k = 0; k < DEPTH; k = k + 1)
          value = value | (words[k*WIDTH +: WIDTH] & {WIDTH{shown == k}});
      end

      if (ARRAY != 0) begin : follow
        assign read_data[n*WIDTH +: WIDTH] = value;
      end else begin : hold
        reg             reading;
        reg [WIDTH-1:0] held;

        always @(posedge clk) reading <= read_enable[n];

        always @*
          if (reading) held = value;

        assign read_data[n*WIDTH +: WIDTH] = held;
      end
    end
  endgenerate
endmodule

// High in the low half of a cycle that is not idle. A cell of its own, so that only this gate is on the clock.
module fusioncim_pulse (
  input  wire clk,
  input  wire idle,
  output wire pulse
);
  assign pulse = ~(clk | idle);
endmodule
