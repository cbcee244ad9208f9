(let_binding pattern: [(value_name) @name (parenthesized_operator (_) @name)] (parameter)) @function
(let_binding pattern: (value_name) @name body: [(fun_expression) (function_expression)]) @function
(compilation_unit (value_definition (let_binding pattern: (value_name) @name) @constant))
(structure (value_definition (let_binding pattern: (value_name) @name) @constant))
(external (value_name) @name) @function
(value_specification (value_name) @name) @declaration
(type_definition (type_binding name: (_) @name) @type)
(exception_definition (constructor_declaration (constructor_name) @name)) @type
(module_definition (module_binding (module_name) @name) @module)
(module_type_definition (module_type_name) @name) @interface
(class_definition (class_binding (class_name) @name) @class)
(method_definition (method_name) @name) @method
(method_specification (method_name) @name) @method

(open_module module: (module_path) @from @import)
(include_module module: (module_path) @from @import)

(application_expression
  function: [
    (value_path . (value_name) @name .)
    (value_path (module_path) (value_name) @name) @receiver
    (method_invocation method: (method_name) @name) @receiver
  ]) @call
((infix_expression
  operator: (rel_operator) @_operator
  right: [(value_path . (value_name) @name .) (value_path (module_path) (value_name) @name) @receiver]) @call
  (#eq? @_operator "|>"))

((comment) @comment (#set! marker "\\(\\*\\*(?!\\*)"))
