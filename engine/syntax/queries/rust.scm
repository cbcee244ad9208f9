(function_item name: (_) @name) @function
(trait_item body: (declaration_list (function_signature_item name: (_) @name) @method))
(foreign_mod_item body: (declaration_list (function_signature_item name: (_) @name) @declaration))
(struct_item name: (type_identifier) @name) @struct
(enum_item name: (type_identifier) @name) @enum
(union_item name: (type_identifier) @name) @union
(trait_item name: (type_identifier) @name) @trait
(type_item name: (type_identifier) @name) @type
(mod_item name: (identifier) @name body: (_)) @module
(mod_item name: (identifier) @name) @declaration
(const_item name: (identifier) @name) @constant
(static_item (mutable_specifier) name: (identifier) @name) @variable
(static_item name: (identifier) @name) @constant
(macro_definition name: (identifier) @name) @macro
(impl_item type: (_) @name) @scope
(let_declaration pattern: (identifier) @name value: (closure_expression) @function)

(scoped_use_list path: (_) @from) @group
(use_declaration argument: (identifier) @from @import)
(use_declaration argument: (scoped_identifier path: (_) @from name: (identifier) @name) @import)
(use_declaration argument: (use_as_clause path: (identifier) @from alias: (identifier) @alias) @import)
(use_as_clause
  path: (scoped_identifier path: (_) @from name: (identifier) @name)
  alias: (identifier) @alias) @import
(use_list (use_as_clause path: (identifier) @name alias: (identifier) @alias) @import)
(use_list (use_as_clause path: (self) alias: (identifier) @alias) @import)
(use_list (identifier) @name @import)
(use_list (scoped_identifier path: (_) @from name: (identifier) @name) @import)
(use_list (self) @import)
((use_wildcard [(identifier) (scoped_identifier) (crate) (super) (self)]? @from) @import (#set! name "*"))
(extern_crate_declaration name: (identifier) @from @import alias: (identifier)? @alias)

(call_expression
  function: [
    (identifier) @name
    (field_expression field: (field_identifier) @name) @receiver
    (scoped_identifier name: (identifier) @name) @receiver
    (generic_function
      function: [
        (identifier) @name
        (field_expression field: (field_identifier) @name) @receiver
        (scoped_identifier name: (identifier) @name) @receiver
      ])
  ]) @call
(macro_invocation
  macro: [(identifier) @name (scoped_identifier name: (identifier) @name) @receiver]) @call
; What stands in the parentheses of a macro is not parsed; a name before parentheses there is a call nearly always.
(token_tree (identifier) @name . (token_tree . "(") @call)

([(line_comment) (block_comment)] @comment (#set! marker "///(?!/)|/\\*\\*(?!\\*)"))
(attribute_item) @attribute
