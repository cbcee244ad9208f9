(class_declaration declaration_kind: "extension" name: (_) @name) @scope
(class_declaration declaration_kind: "struct" name: (_) @name) @struct
(class_declaration declaration_kind: "enum" name: (_) @name) @enum
(class_declaration name: (_) @name) @class
(protocol_declaration name: (_) @name) @interface
(function_declaration "func" . name: _ @name) @function
(protocol_function_declaration "func" . name: _ @name) @method
(init_declaration "init" @name) @method
(deinit_declaration "deinit" @name) @method
(subscript_declaration "subscript" @name) @method
(typealias_declaration . name: (type_identifier) @name) @type
(property_declaration name: (pattern bound_identifier: (simple_identifier) @name) value: (lambda_literal)) @function
(source_file
  (property_declaration
    (value_binding_pattern mutability: "let")
    name: (pattern bound_identifier: (simple_identifier) @name)) @constant)
(source_file
  (property_declaration
    (value_binding_pattern mutability: "var")
    name: (pattern bound_identifier: (simple_identifier) @name)) @variable)

(import_declaration (identifier) @from @import)

(call_expression
  .
  [
    (simple_identifier) @name
    (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @name)) @receiver
  ]) @call
(constructor_expression constructed_type: (user_type (type_identifier) @name .) @receiver) @call

([(comment) (multiline_comment)] @comment (#set! marker "///|/\\*\\*"))
