(value_specification (value_name) @name) @declaration
(external (value_name) @name) @declaration
(type_definition (type_binding name: (_) @name) @type)
(exception_definition (constructor_declaration (constructor_name) @name)) @type
(module_definition (module_binding (module_name) @name) @module)
(module_type_definition (module_type_name) @name) @interface
(class_definition (class_binding (class_name) @name) @class)
(method_specification (method_name) @name) @method

(open_module module: (module_path) @from @import)
(include_module_type module_type: (module_type_path) @from @import)

((comment) @comment (#set! marker "\\(\\*\\*(?!\\*)"))
