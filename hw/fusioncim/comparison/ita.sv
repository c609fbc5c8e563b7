// The accelerator ITA of the PULP platform, from a checkout of its own, with the ports that the flow knows: clk, and rst
// high at the start. Nothing is tied, so that nothing of it is lost.
//
// Its sources leave clock gates and memories to the technology. CLOCK_GATE stands for the library's.

module cluster_clock_gating (
  input  logic clk_i,
  input  logic en_i,
  input  logic test_en_i,
  output logic clk_o
);
  CLOCK_GATE gate (.PIN_CLOCK(clk_i), .PIN_ENABLE(en_i), .PIN_GATED(clk_o));
endmodule

// Port 0 reads and port 1 writes whole words, as ITA uses it.
module tc_sram #(
  parameter int unsigned NumWords  = 1024,
  parameter int unsigned DataWidth = 128,
  parameter int unsigned ByteWidth = 8,
  parameter int unsigned NumPorts  = 2,
  parameter int unsigned Latency   = 1
) (
  input  logic                                                            clk_i,
  input  logic                                                            rst_ni,
  input  logic [NumPorts-1:0]                                             req_i,
  input  logic [NumPorts-1:0]                                             we_i,
  input  logic [NumPorts-1:0][$clog2(NumWords)-1:0]                       addr_i,
  input  logic [NumPorts-1:0][DataWidth-1:0]                              wdata_i,
  input  logic [NumPorts-1:0][(DataWidth + ByteWidth - 1) / ByteWidth-1:0] be_i,
  output logic [NumPorts-1:0][DataWidth-1:0]                              rdata_o
);
  fusioncim_sram #(.DEPTH(NumWords), .WIDTH(DataWidth), .READS(1), .ADDRESS($clog2(NumWords))) bank (
    .clk(clk_i),
    .write_enable(req_i[1]),
    .write_address(addr_i[1]),
    .write_data(wdata_i[1]),
    .read_enable(req_i[0]),
    .read_address(addr_i[0]),
    .read_data(rdata_o[0])
  );
  assign rdata_o[1] = '0;
endmodule

module fusioncim_ita
  import ita_package::*;
(
  input  logic                 clk,
  input  logic                 rst,
  input  logic                 start,
  input  logic [1:0]           layer,
  input  logic [1:0]           activation,
  input  requant_const_array_t mult,
  input  requant_const_array_t shift,
  input  requant_array_t       add,
  input  gelu_const_t          gelu_b,
  input  gelu_const_t          gelu_c,
  input  requant_const_t       activation_mult,
  input  requant_const_t       activation_shift,
  input  requant_t             activation_add,
  input  tile_t                tile_s,
  input  tile_t                tile_e,
  input  tile_t                tile_p,
  input  tile_t                tile_f,
  input  logic                 inp_valid,
  output logic                 inp_ready,
  input  inp_t                 inp,
  input  logic                 weight_valid,
  output logic                 weight_ready,
  input  inp_weight_t          weight,
  input  logic                 bias_valid,
  output logic                 bias_ready,
  input  bias_t                bias,
  output logic                 o_valid,
  input  logic                 o_ready,
  output requant_oup_t         o,
  output logic                 busy
);
  ctrl_t ctrl;

  assign ctrl.start                    = start;
  assign ctrl.layer                    = layer_e'(layer);
  assign ctrl.activation               = activation_e'(activation);
  assign ctrl.eps_mult                 = mult;
  assign ctrl.right_shift              = shift;
  assign ctrl.add                      = add;
  assign ctrl.gelu_b                   = gelu_b;
  assign ctrl.gelu_c                   = gelu_c;
  assign ctrl.activation_requant_mult  = activation_mult;
  assign ctrl.activation_requant_shift = activation_shift;
  assign ctrl.activation_requant_add   = activation_add;
  assign ctrl.tile_s                   = tile_s;
  assign ctrl.tile_e                   = tile_e;
  assign ctrl.tile_p                   = tile_p;
  assign ctrl.tile_f                   = tile_f;

  ita i_ita (
    .clk_i             (clk),
    .rst_ni            (~rst),
    .ctrl_i            (ctrl),
    .inp_valid_i       (inp_valid),
    .inp_ready_o       (inp_ready),
    .inp_weight_valid_i(weight_valid),
    .inp_weight_ready_o(weight_ready),
    .inp_bias_valid_i  (bias_valid),
    .inp_bias_ready_o  (bias_ready),
    .valid_o           (o_valid),
    .ready_i           (o_ready),
    .busy_o            (busy),
    .inp_i             (inp),
    .inp_weight_i      (weight),
    .inp_bias_i        (bias),
    .oup_o             (o)
  );
endmodule
