(package_clause name: (_) @name body: (_)) @module
((package_clause name: (_) @name) @package (#set! nested))
(package_object name: (_) @name) @module
(class_definition name: (_) @name) @class
(object_definition name: (_) @name) @class
(trait_definition name: (_) @name) @trait
(enum_definition name: (_) @name) @enum
(given_definition name: (_) @name) @class
(function_definition name: (_) @name) @function
(function_declaration name: (_) @name) @method
(type_definition name: (_) @name) @type
(val_definition pattern: (identifier) @name value: (lambda_expression)) @function
(compilation_unit (val_definition pattern: (identifier) @name) @constant)
(compilation_unit (var_definition pattern: (identifier) @name) @variable)
(object_definition body: (template_body (val_definition pattern: (identifier) @name) @constant))
(object_definition body: (template_body (var_definition pattern: (identifier) @name) @variable))
(extension_definition parameters: (parameters (parameter type: (_) @name))) @scope

(import_declaration . (identifier) @from . (namespace_selectors)) @group
(import_declaration . (identifier) @from (identifier) @from . (namespace_selectors)) @group
(namespace_selectors (identifier) @name @import)
((namespace_selectors (namespace_wildcard) @import) (#set! name "*"))
(namespace_selectors (_ name: (_) @name alias: (_) @alias) @import)
((import_declaration . (identifier) @from . (namespace_wildcard)) @import (#set! name "*"))
((import_declaration . (identifier) @from (identifier) @from . (namespace_wildcard)) @import (#set! name "*"))
(import_declaration . (identifier) @from . (identifier) @name .) @import
(import_declaration . (identifier) @from (identifier) @from . (identifier) @name .) @import
(import_declaration . (identifier) @from .) @import

(call_expression
  function: [
    (identifier) @name
    (field_expression field: (identifier) @name) @receiver
    (generic_function
      function: [(identifier) @name (field_expression field: (identifier) @name) @receiver])
  ]) @call
(instance_expression [
  (type_identifier) @name
  (generic_type type: [(type_identifier) @name (stable_type_identifier (type_identifier) @name) @receiver])
  (stable_type_identifier (type_identifier) @name) @receiver
]) @call

((block_comment) @comment (#set! marker "/\\*\\*"))
