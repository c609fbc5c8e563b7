// The memory macro (fusioncim_sram) that tells of an unknown write enable, and of an unknown address of what is written.
// Where a read enable is unknown, so is the word.

module fusioncim_sram #(
  parameter DEPTH = 2,
  parameter WIDTH = 8,
  parameter READS = 1,
  parameter ARRAY = 0,
  parameter ADDRESS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire                     clk,
  input  wire                     write_enable,
  input  wire [ADDRESS-1:0]       write_address,
  input  wire [WIDTH-1:0]         write_data,
  input  wire [READS-1:0]         read_enable,
  input  wire [READS*ADDRESS-1:0] read_address,
  output wire [READS*WIDTH-1:0]   read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
  reg [3:0] edges = 0;
  reg told_of = 0;

  always @(posedge clk) begin
    if (write_enable) words[write_address] <= write_data;
    // There is no reset here: the benches hold theirs for longer than these edges.
    if (edges != 3) edges <= edges + 1;
    else if (!told_of) begin
      if (write_enable === 1'bx) begin
        told_of = 1;
        $display("UNKNOWN %m: write enable");
      end
      if (write_enable === 1'b1 && ^write_address === 1'bx) begin
        told_of = 1;
        $display("UNKNOWN %m: write address");
      end
    end
  end

  genvar n;
  generate
    for (n = 0; n < READS; n = n + 1) begin : port
      wire [ADDRESS-1:0] address = read_address[n*ADDRESS +: ADDRESS];
      reg [WIDTH-1:0] data;
      reg [ADDRESS-1:0] shown;

      always @(posedge clk) begin
        if (read_enable[n] !== 1'b0) data <= read_enable[n] === 1'b1 ? words[address] : {WIDTH{1'bx}};
        if (read_enable[n]) shown <= address;
        if (write_enable && (read_enable[n] ? write_address == address : ARRAY != 0 && write_address == shown))
          data <= {WIDTH{1'bx}};
      end

      assign read_data[n*WIDTH +: WIDTH] = data;
    end
  endgenerate
endmodule
