(function_definition
  declarator: [
    (function_declarator declarator: (identifier) @name)
    (pointer_declarator (function_declarator declarator: (identifier) @name))
    (pointer_declarator (pointer_declarator (function_declarator declarator: (identifier) @name)))
    (function_declarator
      (parenthesized_declarator
        [(identifier) @name (pointer_declarator (function_declarator declarator: (identifier) @name))]))
  ]) @function
((declaration
  declarator: [
    (function_declarator declarator: (identifier) @name)
    (pointer_declarator (function_declarator declarator: (identifier) @name))
    (pointer_declarator (pointer_declarator (function_declarator declarator: (identifier) @name)))
    (function_declarator declarator: (parenthesized_declarator (identifier) @name))
  ]) @declaration
  (#set! outside))

(struct_specifier name: (_) @name body: (_)) @struct
(union_specifier name: (_) @name body: (_)) @union
(enum_specifier name: (_) @name body: (_)) @enum
(type_definition type: (struct_specifier !name body: (_)) declarator: (type_identifier) @name) @struct
(type_definition type: (union_specifier !name body: (_)) declarator: (type_identifier) @name) @union
(type_definition type: (enum_specifier !name body: (_)) declarator: (type_identifier) @name) @enum
(type_definition
  declarator: [
    (type_identifier) @name
    (pointer_declarator declarator: (type_identifier) @name)
    (array_declarator declarator: (type_identifier) @name)
    (function_declarator declarator: (type_identifier) @name)
    (function_declarator (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))
  ]) @type

((declaration
  (storage_class_specifier "extern")
  declarator: [
    (identifier) @name
    (pointer_declarator declarator: (identifier) @name)
    (array_declarator declarator: (identifier) @name)
  ]) @declaration
  (#set! outside))
([
  (translation_unit (declaration (type_qualifier ["const" "constexpr"]) declarator: (init_declarator declarator: (identifier) @name)) @constant)
  (declaration_list (declaration (type_qualifier ["const" "constexpr"]) declarator: (init_declarator declarator: (identifier) @name)) @constant)
])
(translation_unit (declaration
  declarator: [
    (identifier) @name
    (pointer_declarator declarator: (identifier) @name)
    (array_declarator declarator: (identifier) @name)
    (init_declarator
      declarator: [
        (identifier) @name
        (pointer_declarator declarator: (identifier) @name)
        (array_declarator declarator: (identifier) @name)
        (pointer_declarator (array_declarator declarator: (identifier) @name))
        (function_declarator (parenthesized_declarator (pointer_declarator declarator: (identifier) @name)))
      ])
  ]) @variable)
(preproc_def name: (identifier) @name) @macro
(preproc_function_def name: (identifier) @name) @macro

(preproc_include path: (system_lib_string) @from @import)
(preproc_include path: (string_literal (string_content) @from @import))

(call_expression
  function: [
    (identifier) @name
    (field_expression field: (field_identifier) @name) @receiver
    (parenthesized_expression (pointer_expression (field_expression field: (field_identifier) @name) @receiver))
    (parenthesized_expression (pointer_expression (identifier) @name))
    (parenthesized_expression (identifier) @name)
  ]) @call

(comment) @comment
