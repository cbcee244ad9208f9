(function_declaration name: [(identifier) (dot_index_expression)] @name) @function
(function_declaration name: (method_index_expression table: (_) @owner method: (identifier) @name)) @method
(assignment_statement
  (variable_list . name: [(identifier) (dot_index_expression)] @name)
  (expression_list . value: (function_definition))) @function
(field name: (identifier) @name value: (function_definition)) @function
((assignment_statement (expression_list . value: (function_call name: (identifier) @_called))) @skip
  (#eq? @_called "require"))
((chunk (variable_declaration (assignment_statement (variable_list . name: (identifier) @name)) @variable))
  (#set! capitals))
((chunk (assignment_statement (variable_list . name: (identifier) @name)) @variable) (#set! capitals))

((assignment_statement
  (variable_list . name: (identifier) @alias)
  (expression_list
    .
    value: (function_call
      name: (identifier) @_called
      arguments: (arguments . (string content: (string_content) @from @import) .))))
  (#eq? @_called "require"))
((function_call
  name: (identifier) @_called
  arguments: (arguments . (string content: (string_content) @from @import) .))
  (#eq? @_called "require"))

(function_call
  name: [
    (identifier) @name
    (dot_index_expression field: (identifier) @name) @receiver
    (method_index_expression method: (identifier) @name) @receiver
  ]) @call

(comment) @comment
