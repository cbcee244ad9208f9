; inherits: c
(function_definition
  declarator: [
    (function_declarator declarator: (qualified_identifier) @name)
    (pointer_declarator (function_declarator declarator: (qualified_identifier) @name))
    (reference_declarator (function_declarator declarator: (qualified_identifier) @name))
    (qualified_identifier name: (operator_cast)) @name
  ]) @method
(function_definition
  declarator: [
    (function_declarator declarator: [(field_identifier) (operator_name) (destructor_name)] @name)
    (pointer_declarator (function_declarator declarator: [(field_identifier) (operator_name)] @name))
    (pointer_declarator (pointer_declarator (function_declarator declarator: (field_identifier) @name)))
    (reference_declarator (function_declarator declarator: [(identifier) (field_identifier) (operator_name)] @name))
    (operator_cast) @name
  ]) @function
([
  (declaration
    declarator: [
      (function_declarator declarator: [(operator_name) (destructor_name)] @name)
      (pointer_declarator (function_declarator declarator: (operator_name) @name))
      (reference_declarator (function_declarator declarator: [(identifier) (operator_name)] @name))
      (operator_cast) @name
    ]) @declaration
  (field_declaration
    declarator: [
      (function_declarator declarator: [(field_identifier) (operator_name)] @name)
      (pointer_declarator (function_declarator declarator: [(field_identifier) (operator_name)] @name))
      (pointer_declarator (pointer_declarator (function_declarator declarator: (field_identifier) @name)))
      (reference_declarator (function_declarator declarator: [(field_identifier) (operator_name)] @name))
    ]) @declaration
] (#set! outside))
(declaration declarator: (init_declarator declarator: (identifier) @name value: (lambda_expression))) @function

(class_specifier name: (_) @name body: (_)) @class
(namespace_definition name: (_) @name) @module
(alias_declaration name: (type_identifier) @name) @type
(concept_definition name: (identifier) @name) @interface
(declaration_list (declaration
  declarator: [
    (identifier) @name
    (pointer_declarator declarator: (identifier) @name)
    (array_declarator declarator: (identifier) @name)
    (init_declarator
      declarator: [
        (identifier) @name
        (pointer_declarator declarator: (identifier) @name)
        (array_declarator declarator: (identifier) @name)
      ])
  ]) @variable)

(using_declaration (identifier) @from @import)
(using_declaration (qualified_identifier scope: (_) @from name: (identifier) @name) @import)
(using_declaration (qualified_identifier) @from @import)
(namespace_alias_definition name: (_) @alias . (_) @from @import)

((call_expression function: (template_function name: (identifier) @name)) @call
  (#not-any-of? @name "const_cast" "dynamic_cast" "reinterpret_cast" "static_cast"))
(call_expression
  function: [
    (field_expression field: (template_method name: (field_identifier) @name)) @receiver
    (qualified_identifier
      name: [
        (identifier) @name
        (template_function name: (identifier) @name)
        (qualified_identifier
          name: [
            (identifier) @name
            (template_function name: (identifier) @name)
            (qualified_identifier
              name: [
                (identifier) @name
                (template_function name: (identifier) @name)
                (qualified_identifier name: [(identifier) @name (template_function name: (identifier) @name)])
              ])
          ])
      ]) @receiver
  ]) @call
(new_expression
  type: [
    (type_identifier) @name
    (template_type name: (type_identifier) @name)
    (qualified_identifier
      name: [
        (type_identifier) @name
        (template_type name: (type_identifier) @name)
        (qualified_identifier name: [(type_identifier) @name (template_type name: (type_identifier) @name)])
      ]) @receiver
  ]) @call

(template_declaration parameters: (_) @attribute)
