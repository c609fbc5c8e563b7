// The memory of the core's program, beside the core: words of 32 bits, read and written in two cycles.
//
// Simulation fills it from the file of the plus argument `program`, in the format of $readmemh.
module word_ram #(
    parameter WORDS = 16384
) (
    input             clk,
    input             rst,
    input             valid,
    input      [31:0] address,
    input      [31:0] write_data,
    input      [3:0]  strobes,
    output reg        ready,
    output reg [31:0] read_data
);
    reg [31:0] words [0:WORDS-1];
    reg [8*4096-1:0] file;
    wire [$clog2(WORDS)-1:0] index = address[2+:$clog2(WORDS)];
    integer n;

    initial begin
        for (n = 0; n < WORDS; n = n + 1)
            words[n] = 32'd0;
        if ($value$plusargs("program=%s", file))
            $readmemh(file, words);
    end

    always @(posedge clk) begin
        ready <= valid && !ready && !rst;
        if (valid && !ready) begin
            for (n = 0; n < 4; n = n + 1)
                if (strobes[n])
                    words[index][8*n+:8] <= write_data[8*n+:8];
            read_data <= words[index];
        end
    end
endmodule
