(package_declaration [(identifier) (scoped_identifier)] @name) @package
(class_declaration name: (identifier) @name) @class
(record_declaration name: (identifier) @name) @class
(interface_declaration name: (identifier) @name) @interface
(annotation_type_declaration name: (identifier) @name) @interface
(enum_declaration name: (identifier) @name) @enum
(method_declaration name: (identifier) @name) @method
(constructor_declaration name: (identifier) @name) @method
(compact_constructor_declaration name: (identifier) @name) @method
(annotation_type_element_declaration name: (identifier) @name) @method
(field_declaration (modifiers "static" "final") declarator: (variable_declarator name: (identifier) @name) @constant)
(constant_declaration declarator: (variable_declarator name: (identifier) @name) @constant)

(import_declaration (scoped_identifier) @from @import (asterisk) @name)
(import_declaration (scoped_identifier scope: (_) @from name: (identifier) @name) @import .)
(import_declaration (identifier) @from @import)

(method_invocation !object name: (identifier) @name) @call
(method_invocation object: (_) @receiver name: (identifier) @name) @call
(object_creation_expression
  type: [
    (type_identifier) @name
    (generic_type . (type_identifier) @name)
    (scoped_type_identifier (type_identifier) @name .) @receiver
    (generic_type . (scoped_type_identifier (type_identifier) @name .) @receiver)
  ]) @call
(explicit_constructor_invocation constructor: [(this) (super)] @name) @call

((block_comment) @comment (#set! marker "/\\*\\*"))
