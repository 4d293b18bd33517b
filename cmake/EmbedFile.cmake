# Run by e2b_embed: IN, OUT, NAME, LABEL.
file(READ ${IN} hex HEX)
file(SIZE ${IN} size)
string(REGEX REPLACE "[0-9a-f][0-9a-f]" "0x\\0," bytes "${hex}")
string(REPEAT "0x[0-9a-f][0-9a-f]," 20 row)
string(REGEX REPLACE "${row}" "\\0\n    " bytes "${bytes}")
file(WRITE ${OUT} "#include \"kernels/launch.h\"

extern const struct e2b_source e2b_source_${NAME};
static const char text[] = {
    ${bytes}0};
const struct e2b_source e2b_source_${NAME} = {\"${LABEL}\", text, ${size}};
")
