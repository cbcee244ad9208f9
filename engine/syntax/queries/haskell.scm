(header module: (module) @name) @package
((function name: (_) @name) @function (#set! merge))
((function (infix operator: (_) @name)) @function (#set! merge))
(declarations (bind name: (variable) @name match: (match expression: (literal))) @constant)
(declarations (bind name: (variable) @name) @function)
(bind name: (variable) @name match: (match expression: (lambda))) @function
(class_declarations (signature name: (variable) @name) @method)
(data_type name: (_) @name) @type
(newtype name: (_) @name) @type
(type_synomym name: (_) @name) @type
(type_family name: (_) @name) @type
(class name: (_) @name) @interface
(instance name: (_) @name) @scope

(import module: (module) @from @import alias: (module) @alias)
(import module: (module) @from @import)

(apply
  function: [
    (variable) @name
    (qualified id: (variable) @name) @receiver
  ]) @call
((infix
  left_operand: [(variable) @name (qualified id: (variable) @name) @receiver]
  operator: (operator) @_operator) @call
  (#any-of? @_operator "$" "$!" "<$>"))

((haddock) @comment (#set! marker "(--|\\{-) *\\|"))
(signature) @attribute
