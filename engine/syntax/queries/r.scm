((binary_operator lhs: (identifier) @name operator: ["<-" "<<-" "="] rhs: (function_definition)) @function (#set! plain))
((binary_operator lhs: (function_definition) operator: ["->" "->>"] rhs: (identifier) @name) @function (#set! plain))
((call
  function: (identifier) @_called
  arguments: (arguments argument: (argument name: (identifier) @name value: (function_definition)) @function))
  (#eq? @_called "list")
  (#set! plain))
((binary_operator lhs: (identifier) @name rhs: (call function: (identifier) @_called)) @class
  (#any-of? @_called "R6Class" "setClass" "setRefClass")
  (#set! plain))
((call
  function: (identifier) @_called
  arguments: (arguments . argument: (argument value: (string (string_content) @name)))) @class
  (#any-of? @_called "setClass" "setRefClass")
  (#set! plain))
((call
  function: (identifier) @_called
  arguments: (arguments . argument: (argument value: (string (string_content) @name)))) @function
  (#any-of? @_called "setGeneric" "setMethod")
  (#set! plain))
((program (binary_operator lhs: (identifier) @name operator: ["<-" "<<-" "="]) @variable)
  (#set! plain)
  (#set! capitals))

((call
  function: (identifier) @_called
  arguments: (arguments
    .
    argument: (argument value: [(identifier) @from @import (string (string_content) @from @import)])))
  (#any-of? @_called "library" "loadNamespace" "require" "requireNamespace" "source"))

((call
  function: [
    (identifier) @name
    (namespace_operator rhs: (identifier) @name) @receiver
    (extract_operator rhs: (identifier) @name) @receiver
  ]) @call
  (#set! plain))

((comment) @comment (#set! marker "#'"))
