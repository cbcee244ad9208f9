(function_definition name: (identifier) @name) @function
(class_definition name: (identifier) @name) @class
(type_alias_statement left: (type [(identifier) @name (generic_type . (identifier) @name)])) @type
((module (assignment left: (identifier) @name) @variable) (#set! capitals))

(function_definition body: (block . [(string) (concatenated_string)] @docstring))
(class_definition body: (block . [(string) (concatenated_string)] @docstring))
(module . (comment)* . [(string) (concatenated_string)] @docstring)

(import_statement name: (dotted_name) @import @from)
(import_statement name: (aliased_import name: (dotted_name) @from alias: (identifier) @alias) @import)
(import_from_statement module_name: (_) @from name: (dotted_name) @import @name)
(import_from_statement
  module_name: (_) @from
  name: (aliased_import name: (dotted_name) @name alias: (identifier) @alias) @import)
(import_from_statement module_name: (_) @from (wildcard_import) @import @name)
(future_import_statement "__future__" @from name: (dotted_name) @import @name)
(future_import_statement
  "__future__" @from
  name: (aliased_import name: (dotted_name) @name alias: (identifier) @alias) @import)

(call
  function: [
    (identifier) @name
    (attribute attribute: (identifier) @name) @receiver
    ; `(*f(x),)` is read as `(*f)(x)`.
    (list_splat [(identifier) @name (attribute attribute: (identifier) @name) @receiver])
  ]) @call
; `type(a).b = c` is read as an alias of the type `(a).b`.
(type_alias_statement
  "type" @name
  left: (type
    (attribute
      object: [
        (parenthesized_expression) @call
        (attribute object: [(parenthesized_expression) @call (attribute object: (parenthesized_expression) @call)])
      ])))
