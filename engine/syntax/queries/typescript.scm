; inherits: ecmascript
(interface_declaration name: (_) @name) @interface
(type_alias_declaration name: (_) @name) @type
(enum_declaration name: (_) @name) @enum
(abstract_class_declaration name: (_) @name) @class
(internal_module name: [(identifier) (nested_identifier)] @name) @module
(module name: [(identifier) (nested_identifier)] @name) @module
(module name: (string (string_fragment) @name)) @module
(interface_body (method_signature name: (property_identifier) @name) @method)
(abstract_method_signature name: (property_identifier) @name) @method
(class_body (method_signature name: (property_identifier) @name) @declaration)
(function_signature name: (_) @name) @declaration
(public_field_definition
  name: [(property_identifier) (private_property_identifier)] @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
(program (ambient_declaration (lexical_declaration kind: "const" (variable_declarator name: (identifier) @name) @constant)))

(import_statement (import_require_clause (identifier) @alias source: (string (string_fragment) @from @import)))

; `foo!(a)`, `this.foo<T>!(a)`
(call_expression
  function: (non_null_expression
    [(identifier) @name (member_expression property: (property_identifier) @name) @receiver])) @call

(decorator) @attribute
