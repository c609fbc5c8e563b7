// Cells of the ECP5 of which Yosys has no simulation model: block RAM and multiplier, as far as Yosys makes use of them
// (no output registers, no resets, one clock edge). Anything else ends the simulation.
// Widths, byte enables and initial values: Lattice, "ECP5 and ECP5-5G Memory Usage Guide" (FPGA-TN-02204).

module DP16KD (
  input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
  input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
  input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
  input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "AUTO";
  parameter [319:0]
    INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0,
    INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0,
    INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0,
    INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0,
    INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0,
    INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0,
    INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0,
    INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0,
    INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0,
    INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0,
    INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0,
    INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0,
    INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0,
    INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0,
    INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0,
    INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;

  // Eighteen bits per word: two bytes of eight bits and one more bit each.
  reg [17:0] words [0:1023];
  reg [35:0] read_a = 0, read_b = 0;
  wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [17:0] data_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
  };
  wire [17:0] data_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0
  };
  // A port of 36 bits has the pins of both: A writes, B reads, and B's pins have the high half.
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0
  } = DATA_WIDTH_B == 36 ? read_b[17:0] : read_a[17:0];
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
  } = DATA_WIDTH_B == 36 ? read_b[35:18] : read_b[17:0];

  task automatic load(input integer block, input [319:0] values);
    for (integer i = 0; i < 16; i = i + 1) words[block * 16 + i] = values[i * 20 +: 18];
  endtask

  // Write one byte of nine bits, or fewer bits of one.
  task automatic write(input integer width, input [13:0] address, input [35:0] data);
    case (width)
      36: for (integer i = 0; i < 4; i = i + 1)
            if (address[i]) words[{address[13:5], i[1]}][i[0] * 9 +: 9] = data[i * 9 +: 9];
      18: for (integer i = 0; i < 2; i = i + 1) if (address[i]) words[address[13:4]][i * 9 +: 9] = data[i * 9 +: 9];
      9: words[address[13:4]][address[3] * 9 +: 9] = data[8:0];
      4: words[address[13:4]][address[3] * 9 + address[2] * 4 +: 4] = data[3:0];
      2: words[address[13:4]][address[3] * 9 + address[2:1] * 2 +: 2] = data[1:0];
      default: words[address[13:4]][address[3] * 9 + address[2:0]] = data[0];
    endcase
  endtask

  function automatic [35:0] read(input integer width, input [13:0] address);
    case (width)
      36: read = {words[{address[13:5], 1'b1}], words[{address[13:5], 1'b0}]};
      18: read = words[address[13:4]];
      9: read = words[address[13:4]][address[3] * 9 +: 9];
      4: read = words[address[13:4]][address[3] * 9 + address[2] * 4 +: 4];
      2: read = words[address[13:4]][address[3] * 9 + address[2:1] * 2 +: 2];
      default: read = words[address[13:4]][address[3] * 9 + address[2:0]];
    endcase
  endfunction

  initial begin
    load(0, INITVAL_00); load(1, INITVAL_01); load(2, INITVAL_02); load(3, INITVAL_03);
    load(4, INITVAL_04); load(5, INITVAL_05); load(6, INITVAL_06); load(7, INITVAL_07);
    load(8, INITVAL_08); load(9, INITVAL_09); load(10, INITVAL_0A); load(11, INITVAL_0B);
    load(12, INITVAL_0C); load(13, INITVAL_0D); load(14, INITVAL_0E); load(15, INITVAL_0F);
    load(16, INITVAL_10); load(17, INITVAL_11); load(18, INITVAL_12); load(19, INITVAL_13);
    load(20, INITVAL_14); load(21, INITVAL_15); load(22, INITVAL_16); load(23, INITVAL_17);
    load(24, INITVAL_18); load(25, INITVAL_19); load(26, INITVAL_1A); load(27, INITVAL_1B);
    load(28, INITVAL_1C); load(29, INITVAL_1D); load(30, INITVAL_1E); load(31, INITVAL_1F);
    load(32, INITVAL_20); load(33, INITVAL_21); load(34, INITVAL_22); load(35, INITVAL_23);
    load(36, INITVAL_24); load(37, INITVAL_25); load(38, INITVAL_26); load(39, INITVAL_27);
    load(40, INITVAL_28); load(41, INITVAL_29); load(42, INITVAL_2A); load(43, INITVAL_2B);
    load(44, INITVAL_2C); load(45, INITVAL_2D); load(46, INITVAL_2E); load(47, INITVAL_2F);
    load(48, INITVAL_30); load(49, INITVAL_31); load(50, INITVAL_32); load(51, INITVAL_33);
    load(52, INITVAL_34); load(53, INITVAL_35); load(54, INITVAL_36); load(55, INITVAL_37);
    load(56, INITVAL_38); load(57, INITVAL_39); load(58, INITVAL_3A); load(59, INITVAL_3B);
    load(60, INITVAL_3C); load(61, INITVAL_3D); load(62, INITVAL_3E); load(63, INITVAL_3F);
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB")
      $fatal(1, "DP16KD: output registers and falling clock edges are not modelled");
  end

  // Reads see what was there before the clock edge; a port that writes reads only with READBEFOREWRITE.
  always @(posedge CLKA) if (CEA && (!WEA || WRITEMODE_A == "READBEFOREWRITE")) read_a <= read(DATA_WIDTH_A, address_a);
  always @(posedge CLKB) if (CEB && (!WEB || WRITEMODE_B == "READBEFOREWRITE")) read_b <= read(DATA_WIDTH_B, address_b);
  always @(posedge CLKA) if (CEA && WEA) #0 write(DATA_WIDTH_A, address_a, {data_b, data_a});
  always @(posedge CLKB) if (CEB && WEB) #0 write(DATA_WIDTH_B, address_b, {data_b, data_b});

  always @(posedge CLKA, posedge CLKB)
    if (RSTA !== 0 || RSTB !== 0 || {CSA2, CSA1, CSA0, CSB2, CSB1, CSB0} !== 0 || WRITEMODE_A == "WRITETHROUGH"
        || WRITEMODE_B == "WRITETHROUGH")
      $fatal(1, "DP16KD: resets, chip selects and write-through are not modelled");
endmodule

module MULT18X18D (
  input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  output
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13,
    P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
  wire signed [35:0] a = {
    {18{SIGNEDA & A17}}, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0
  };
  wire signed [35:0] b = {
    {18{SIGNEDB & B17}}, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0
  };
  assign {
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13,
    P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
  } = a * b;
  initial #1 if (SOURCEA !== 0 || SOURCEB !== 0) $fatal(1, "MULT18X18D: cascaded operands are not modelled");
endmodule
