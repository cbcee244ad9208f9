(namespace_definition name: (namespace_name) @name body: (_)) @module
(namespace_definition name: (namespace_name) @name !body) @package
(function_definition name: (name) @name) @function
(class_declaration name: (name) @name) @class
(interface_declaration name: (name) @name) @interface
(trait_declaration name: (name) @name) @trait
(enum_declaration name: (name) @name) @enum
(method_declaration name: (name) @name) @method
(assignment_expression left: (variable_name (name) @name) right: [(anonymous_function) (arrow_function)]) @function
(const_element . (name) @name) @constant

(namespace_use_declaration (namespace_name) @from body: (namespace_use_group)) @group
(namespace_use_clause (qualified_name (namespace_name) @from (name) @name .) alias: (name) @alias) @import
(namespace_use_clause (qualified_name (namespace_name) @from (name) @name .)) @import
(namespace_use_group (namespace_use_clause . (name) @name alias: (name) @alias) @import)
(namespace_use_group (namespace_use_clause . (name) @name) @import)
(namespace_use_declaration (namespace_use_clause . (name) @from alias: (name) @alias) @import)
(namespace_use_declaration (namespace_use_clause . (name) @from) @import)
([
  (require_expression (_ (string_content) @from @import))
  (require_once_expression (_ (string_content) @from @import))
  (include_expression (_ (string_content) @from @import))
  (include_once_expression (_ (string_content) @from @import))
])

(function_call_expression
  function: [(name) @name (qualified_name (name) @name .) @receiver (variable_name) @name]) @call
(member_call_expression object: (_) @receiver name: (name) @name) @call
(nullsafe_member_call_expression object: (_) @receiver name: (name) @name) @call
(scoped_call_expression scope: (_) @receiver name: (name) @name) @call
(object_creation_expression [(name) @name (qualified_name (name) @name .) @receiver]) @call

((comment) @comment (#set! marker "/\\*\\*"))
