// Memory macro on an FPGA: ports and contract as in sram.v, except that nothing is marked as undefined.
//
// Large banks become block RAM: those of which a block of BLOCK_WIDTH bits would hold at least BLOCK_BITS. Others become
// distributed RAM or flip-flops, as the synthesis sees fit. Rows of a compute array of one or two words are flip-flops
// behind a multiplexer: no copy of the word that is shown is kept.

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
  localparam BLOCKS = READS * ((WIDTH + `BLOCK_WIDTH - 1) / `BLOCK_WIDTH);
  localparam STYLE = DEPTH * WIDTH / BLOCKS >= `BLOCK_BITS ? "block" : "auto";

  genvar n;
  generate
    if (ARRAY != 0 && DEPTH <= 2) begin : array
      reg [DEPTH*WIDTH-1:0] words;

      for (n = 0; n < DEPTH; n = n + 1) begin : word
        always @(posedge clk)
          if (write_enable && (DEPTH == 1 || write_address == n)) words[n*WIDTH +: WIDTH] <= write_data;
      end
      for (n = 0; n < READS; n = n + 1) begin : port
        if (DEPTH == 1)
          assign read_data[n*WIDTH +: WIDTH] = words;
        else begin : select
          reg shown;
          always @(posedge clk)
            if (read_enable[n]) shown <= read_address[n];
          assign read_data[n*WIDTH +: WIDTH] = shown ? words[(DEPTH-1)*WIDTH +: WIDTH] : words[0 +: WIDTH];
        end
      end
    end else begin : memory
      (* ram_style = STYLE *)
      reg [WIDTH-1:0] words [0:DEPTH-1];

      always @(posedge clk)
        if (write_enable) words[write_address] <= write_data;
      for (n = 0; n < READS; n = n + 1) begin : port
        wire [ADDRESS-1:0] address = read_address[n*ADDRESS +: ADDRESS];
        reg [WIDTH-1:0] data;
        always @(posedge clk)
          if (read_enable[n]) data <= words[address];
        assign read_data[n*WIDTH +: WIDTH] = data;
      end
    end
  endgenerate
endmodule
