((package_statement name: (package) @name (block)) @module (#set! absolute))
(package_statement name: (package) @name) @package
(subroutine_declaration_statement name: (bareword) @name) @function
(assignment_expression
  left: (variable_declaration variable: (scalar (varname) @name))
  right: (anonymous_subroutine_expression)) @function
((use_statement module: (package) @_module (list_expression . (autoquoted_bareword) @name)) @constant
  (#eq? @_module "constant"))
((use_statement
  module: (package) @_module
  (anonymous_hash_expression (list_expression (autoquoted_bareword) @name))) @constant
  (#eq? @_module "constant"))
((source_file
  (expression_statement
    (assignment_expression left: (variable_declaration variable: (_ (varname) @name))) @variable))
  (#set! capitals))

(use_statement module: (package) @from @import)
(require_expression (bareword) @from @import)
(require_expression (_ content: (string_content) @from @import))

(function_call_expression function: (function) @name) @call
(ambiguous_function_call_expression function: (function) @name) @call
(func1op_call_expression function: _ @name) @call
(method_call_expression invocant: (_) @receiver method: (method) @name) @call

(comment) @comment
(pod) @comment
