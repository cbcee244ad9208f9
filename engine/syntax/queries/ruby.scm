(class name: (_) @name) @class
(module name: (_) @name) @module
(module body: (body_statement (method name: (_) @name) @method))
(method name: (_) @name) @function
(singleton_method object: (self) name: (_) @name) @method
(singleton_method object: (_) @owner name: (_) @name) @method
((assignment
  left: (constant) @name
  right: (call receiver: (constant) @_receiver method: (identifier) @_method block: (_))) @class
  (#any-of? @_receiver "Class" "Data" "Struct")
  (#any-of? @_method "define" "new"))
((assignment
  left: (constant) @name
  right: (call receiver: (constant) @_receiver method: (identifier) @_method block: (_))) @module
  (#eq? @_receiver "Module")
  (#eq? @_method "new"))
(assignment left: [(constant) (identifier)] @name right: (lambda)) @function
((assignment
  left: [(constant) (identifier)] @name
  right: (call method: (identifier) @_method block: (_))) @function
  (#any-of? @_method "lambda" "proc"))
(assignment left: (constant) @name) @constant

((call !receiver method: (identifier) @_method arguments: (argument_list . (string (string_content) @from @import) .))
  (#any-of? @_method "load" "require" "require_relative"))

(call !receiver method: (_) @name) @call
(call receiver: (_) @receiver method: (_) @name) @call

(comment) @comment
