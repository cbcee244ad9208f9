(file_scoped_namespace_declaration name: (_) @name) @package
(namespace_declaration name: (_) @name) @module
(class_declaration name: (identifier) @name) @class
(record_declaration name: (identifier) @name) @class
(struct_declaration name: (identifier) @name) @struct
(interface_declaration name: (identifier) @name) @interface
(enum_declaration name: (identifier) @name) @enum
(delegate_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name) @method
(constructor_declaration name: (identifier) @name) @method
(destructor_declaration name: (identifier) @name) @method
(operator_declaration operator: _ @name) @method
(conversion_operator_declaration type: (_) @name) @method
(indexer_declaration "this" @name) @method
(local_function_statement name: (identifier) @name) @function
(variable_declarator name: (identifier) @name [(lambda_expression) (anonymous_method_expression)]) @function
((field_declaration
  (modifier) @_modifier
  (variable_declaration (variable_declarator name: (identifier) @name))) @constant
  (#eq? @_modifier "const"))

(using_directive name: (identifier) @alias . (_) @from @import)
(using_directive !name [(identifier) (qualified_name) (alias_qualified_name)] @from @import)

(invocation_expression
  function: [
    (identifier) @name
    (generic_name . (identifier) @name)
    (member_access_expression name: [(identifier) @name (generic_name . (identifier) @name)]) @receiver
    (conditional_access_expression
      (member_binding_expression name: [(identifier) @name (generic_name . (identifier) @name)])) @receiver
  ]) @call
(object_creation_expression
  type: [
    (identifier) @name
    (generic_name . (identifier) @name)
    (qualified_name name: [(identifier) @name (generic_name . (identifier) @name)]) @receiver
  ]) @call
(constructor_initializer ["base" "this"] @name) @call

((comment) @comment (#set! marker "///(?!/)|/\\*\\*(?!\\*)"))
