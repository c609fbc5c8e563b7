// Memory macro: DEPTH words of WIDTH bits, one write port, READS synchronous read ports, one clock.
//
// Behavioural model; a foundry macro, or a wrapper around some, of the same name and ports takes its place.
//
//   write  a cycle with write_enable writes write_data to write_address
//   read   a cycle with read_enable[n] shows the word at read_address[n] one cycle later; read_data[n] holds it
//          until the next enabled read
//
// Nothing else is defined: the words before they are written, read_data before the first enabled read, a word that is
// written in the cycle in which it is read, addresses from DEPTH on. There is no reset.
//
// ARRAY = 1 asks for a layout as a row of a compute array: words beside the gates that take read_data and selected
// statically, write path shared with the other rows. A write to the word that a port shows leaves read_data undefined,
// until the next enabled read.

// verilator lint_off DECLFILENAME
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
  input  wire [READS*ADDRESS-1:0] read_address, // port 0 in the low bits
  output wire [READS*WIDTH-1:0]   read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];

  always @(posedge clk)
    if (write_enable) words[write_address] <= write_data;

  genvar n;
  generate
    for (n = 0; n < READS; n = n + 1) begin : port
      wire [ADDRESS-1:0] address = read_address[n*ADDRESS +: ADDRESS];
      reg [WIDTH-1:0] data;
`ifndef SYNTHESIS
      reg [ADDRESS-1:0] shown;
`endif

      always @(posedge clk) begin
        if (read_enable[n]) data <= words[address];
`ifndef SYNTHESIS
        if (read_enable[n]) shown <= address;
        if (write_enable && (read_enable[n] ? write_address == address : ARRAY != 0 && write_address == shown))
          data <= {WIDTH{1'bx}};
`endif
      end

      assign read_data[n*WIDTH +: WIDTH] = data;
    end
  endgenerate
endmodule
