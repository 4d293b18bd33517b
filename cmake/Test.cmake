# e2b_test(path libraries...): build tests/<path>_test.c with cmocka as the ctest test <path>.
# Options after LABELS are ctest labels (device, slow). Exit code 77 is a skip.
function(e2b_test path)
  cmake_parse_arguments(arg "" "TIMEOUT" "LABELS;LIBS" ${ARGN})
  string(REPLACE "/" "_" target test_${path})
  add_executable(${target} ${CMAKE_SOURCE_DIR}/tests/${path}_test.c)
  target_link_libraries(${target} PRIVATE ${arg_LIBS} ${arg_UNPARSED_ARGUMENTS} cmocka)
  add_test(NAME ${path} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(E2B_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 5")
  endif()
  set_tests_properties(${path} PROPERTIES LABELS "unit;${arg_LABELS}" SKIP_RETURN_CODE 77
    TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "E2B_TEST_CACHE=${CMAKE_BINARY_DIR}/test-cache")
endfunction()
