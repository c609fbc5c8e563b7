// `fusioncim_sram` made of flip-flops: an alternative to the macro, for synthesis. See sram.v for what it does.
//
// A word that is written in the cycle in which it is read shows its old content. With ARRAY = 1 the word is selected
// statically: a port follows a write to the word that it shows.

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
  input  wire [READS*ADDRESS-1:0] read_address,
  output wire [READS*WIDTH-1:0]   read_data
);
  wire [DEPTH*WIDTH-1:0] words;

  genvar w, n;
  generate
    for (w = 0; w < DEPTH; w = w + 1) begin : row
      reg [WIDTH-1:0] word;

      always @(posedge clk)
        if (write_enable && write_address == w) word <= write_data;

      assign words[w*WIDTH +: WIDTH] = word;
    end

    for (n = 0; n < READS; n = n + 1) begin : port
      wire [ADDRESS-1:0] address = read_address[n*ADDRESS +: ADDRESS];
      wire [ADDRESS-1:0] place;
      reg [WIDTH-1:0]    value;
      integer            k;

      always @* begin
        value = {WIDTH{1'b0}};
        for (k = 0; k < DEPTH; k = k + 1)
          value = value | (words[k*WIDTH +: WIDTH] & {WIDTH{place == k}});
      end

      if (ARRAY != 0) begin : follow
        reg [ADDRESS-1:0] shown;

        always @(posedge clk)
          if (read_enable[n]) shown <= address;

        assign place = shown;
        assign read_data[n*WIDTH +: WIDTH] = value;
      end else begin : hold
        reg [WIDTH-1:0] data;

        always @(posedge clk)
          if (read_enable[n]) data <= value;

        assign place = address;
        assign read_data[n*WIDTH +: WIDTH] = data;
      end
    end
  endgenerate
endmodule
