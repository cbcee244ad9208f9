(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(class_declaration name: (_) @name) @class
(method_definition name: [(property_identifier) (private_property_identifier)] @name) @function
(method_definition name: (string (string_fragment) @name)) @function
(variable_declarator
  name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(assignment_expression
  left: [(identifier) (member_expression)] @name
  right: [(arrow_function) (function_expression) (generator_function)]) @function
(assignment_expression left: [(identifier) (member_expression)] @name right: (class)) @class
(pair key: (property_identifier) @name value: [(arrow_function) (function_expression) (generator_function)]) @function
(pair
  key: (string (string_fragment) @name)
  value: [(arrow_function) (function_expression) (generator_function)]) @function

; What is required is an import, not a constant.
((variable_declarator value: (call_expression function: (identifier) @_called)) @skip (#eq? @_called "require"))
(program (lexical_declaration kind: "const" (variable_declarator name: (identifier) @name) @constant))
((program (lexical_declaration kind: "let" (variable_declarator name: (identifier) @name) @variable)) (#set! capitals))
((program (variable_declaration (variable_declarator name: (identifier) @name) @variable)) (#set! capitals))
(program (export_statement (lexical_declaration kind: "const" (variable_declarator name: (identifier) @name) @constant)))
((program (export_statement (lexical_declaration kind: "let" (variable_declarator name: (identifier) @name) @variable))) (#set! capitals))
((program (export_statement (variable_declaration (variable_declarator name: (identifier) @name) @variable))) (#set! capitals))

(import_statement (import_clause (identifier) @import @alias) source: (string (string_fragment) @from)
  (#set! name "default"))
(import_statement (import_clause (namespace_import (identifier) @import @alias)) source: (string (string_fragment) @from))
(import_statement
  (import_clause (named_imports (import_specifier name: (_) @name alias: (_)? @alias) @import))
  source: (string (string_fragment) @from))
(import_statement . source: (string (string_fragment) @import @from))
(export_statement (export_clause (export_specifier name: (_) @name) @import) source: (string (string_fragment) @from))
(export_statement "*" @name @import source: (string (string_fragment) @from))
(variable_declarator
  name: (identifier) @alias
  value: (call_expression
    function: (identifier) @_called
    arguments: (arguments . (string (string_fragment) @from @import) .))
  (#eq? @_called "require"))
(call_expression
  function: [(identifier) @_called (import) @_called]
  arguments: (arguments . (string (string_fragment) @from @import) .)
  (#any-of? @_called "require" "import"))

(call_expression
  function: [
    (identifier) @name
    (member_expression property: [(property_identifier) (private_property_identifier)] @name) @receiver
    (super) @name
  ]) @call
(new_expression
  constructor: [(identifier) @name (member_expression property: (property_identifier) @name) @receiver]) @call

((comment) @comment (#set! marker "/\\*\\*"))
