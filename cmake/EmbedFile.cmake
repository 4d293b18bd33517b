# Run by e2b_embed: IN, OUT, NAME, LABEL, ROOT. Also writes OUT.d, what OUT depends on.
# expand(file label variable): the file's text, each include replaced by its own expansion.
function(expand file label variable)
  file(READ ${file} source)
  set(text "${source}")
  string(REGEX MATCHALL "#include \"[^\"]*\"\n" includes "${source}")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "#include \"([^\"]*)\"\n" "\\1" path "${line}")
    set_property(GLOBAL APPEND PROPERTY included ${ROOT}/${path})
    expand(${ROOT}/${path} ${path} included)
    string(FIND "${source}" "${line}" at)
    string(SUBSTRING "${source}" 0 ${at} before)
    string(REGEX MATCHALL "\n" lines "${before}")
    list(LENGTH lines number)
    math(EXPR number "${number} + 2")
    string(REPLACE "${line}" "#line 1 \"${path}\"\n${included}#line ${number} \"${label}\"\n" text
      "${text}")
  endforeach()
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

expand(${IN} ${LABEL} text)
get_property(included GLOBAL PROPERTY included)
list(JOIN included " " dependencies)
file(WRITE ${OUT}.d "${OUT}: ${IN} ${dependencies}\n")
file(WRITE ${OUT}.text "${text}")
file(READ ${OUT}.text hex HEX)
file(SIZE ${OUT}.text size)
string(REGEX REPLACE "[0-9a-f][0-9a-f]" "0x\\0," bytes "${hex}")
string(REPEAT "0x[0-9a-f][0-9a-f]," 20 row)
string(REGEX REPLACE "${row}" "\\0\n    " bytes "${bytes}")
file(WRITE ${OUT} "#include \"kernels/launch.h\"

extern const struct e2b_source e2b_source_${NAME};
static const char text[] = {
    ${bytes}0};
const struct e2b_source e2b_source_${NAME} = {\"${LABEL}\", text, ${size}};
")
