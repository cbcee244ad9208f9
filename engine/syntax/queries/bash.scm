((function_definition name: (word) @name) @function (#set! plain))
(program (declaration_command "readonly" (variable_assignment name: (variable_name) @name) @constant))
(program (declaration_command (variable_assignment name: (variable_name) @name) @variable))
(program (variable_assignment name: (variable_name) @name) @variable)

((command name: (command_name (word) @_command) . argument: (_) @from @import)
  (#any-of? @_command "source" "."))

((command name: (command_name (word) @name)) @call (#set! plain))

(comment) @comment
