# e2b_embed(target name file): compile a text file into `target` as `const struct e2b_source
# e2b_source_<name>`, with its path for build logs. Bytes, not a string literal: no length limit.
# Lines `#include "kernels/..."` are replaced by that file (paths from the project's root).
function(e2b_embed target name file)
  set(in ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}_source.c)
  file(RELATIVE_PATH label ${CMAKE_SOURCE_DIR} ${in})
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -DNAME=${name} -DLABEL=${label}
      -DROOT=${CMAKE_SOURCE_DIR} -P ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
    DEPENDS ${in} ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake DEPFILE ${out}.d
    COMMENT "Embedding ${label}" VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
