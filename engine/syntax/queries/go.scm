(package_clause (package_identifier) @name) @package
(function_declaration name: (identifier) @name) @function
(method_declaration
  receiver: (parameter_list
    (parameter_declaration
      type: [
        (type_identifier) @owner
        (generic_type type: (type_identifier) @owner)
        (pointer_type [(type_identifier) @owner (generic_type type: (type_identifier) @owner)])
      ]))
  name: (field_identifier) @name) @method
(type_spec name: (type_identifier) @name type: (struct_type)) @struct
(type_spec name: (type_identifier) @name type: (interface_type)) @interface
(type_spec name: (type_identifier) @name) @type
(type_alias name: (type_identifier) @name) @type
(method_elem name: (field_identifier) @name) @method
(source_file (const_declaration (const_spec name: (identifier) @name) @constant))
(source_file (var_declaration (var_spec name: (identifier) @name) @variable))
(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @variable)))
(short_var_declaration
  left: (expression_list . (identifier) @name .)
  right: (expression_list . (func_literal) @function .))

(import_spec !name path: (_ (_) @from @import))
(import_spec name: (package_identifier) @alias path: (_ (_) @from @import))
(import_spec name: (dot) path: (_ (_) @from @import) (#set! name "*"))
(import_spec name: (blank_identifier) path: (_ (_) @from @import))

(call_expression
  function: [
    (identifier) @name
    (selector_expression field: (field_identifier) @name) @receiver
    (parenthesized_expression (identifier) @name)
    (index_expression operand: [(identifier) @name (selector_expression field: (field_identifier) @name) @receiver])
  ]) @call
; A call with type arguments looks like a conversion.
(type_conversion_expression
  type: (generic_type
    type: [(type_identifier) @name (qualified_type name: (type_identifier) @name) @receiver])) @call

(comment) @comment
