(package_header (identifier) @name) @package
(class_declaration "interface" (type_identifier) @name) @interface
(class_declaration "enum" (type_identifier) @name) @enum
(class_declaration (type_identifier) @name) @class
(object_declaration (type_identifier) @name) @class
(function_declaration
  receiver: (receiver_type [(user_type) @owner (nullable_type (user_type) @owner)])
  (simple_identifier) @name) @method
(function_declaration (simple_identifier) @name) @function
(secondary_constructor "constructor" @name) @method
(type_alias . (type_identifier) @name) @type
(property_declaration (variable_declaration (simple_identifier) @name) [(lambda_literal) (anonymous_function)]) @function
(source_file
  (property_declaration (binding_pattern_kind "val") !receiver (variable_declaration (simple_identifier) @name)) @constant)
(source_file
  (property_declaration (binding_pattern_kind "var") !receiver (variable_declaration (simple_identifier) @name)) @variable)
((property_declaration
  (modifiers (property_modifier) @_modifier)
  (variable_declaration (simple_identifier) @name)) @constant
  (#eq? @_modifier "const"))

(import_header (identifier) @from @import (wildcard_import) (#set! name "*"))
(import_header (identifier) @from @import (import_alias (type_identifier) @alias) (#set! last))
(import_header (identifier) @from @import (#set! last))

(call_expression
  .
  [
    (simple_identifier) @name
    (navigation_expression (navigation_suffix (simple_identifier) @name)) @receiver
  ]) @call
(constructor_delegation_call ["this" "super"] @name) @call

((multiline_comment) @comment (#set! marker "/\\*\\*"))
