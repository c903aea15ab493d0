package handlebars

import "strings"

// run is the state of one rendering.
type run struct {
	options Options
	root    any
	out     *strings.Builder
	steps   int
	depth   int
}

// scope resolves paths: it has the value of this, and the enclosing scope (up).
type scope struct {
	this any
	// overlay are named arguments of partials, which take precedence over the fields of
	// this. Copying those for every row of a table would be most of the work for a page.
	overlay *variable
	up      *scope
	data    *frame
	vars    *variable
}

// frame holds the private data of an iteration: @index, @key, @first, @last.
type frame struct {
	values map[string]any
	up     *frame
}

// variable is a block parameter or a named argument. The innermost one of a name is used.
type variable struct {
	name  string
	value any
	up    *variable
}

func (v *variable) find(name string) (any, bool) {
	for ; v != nil; v = v.up {
		if v.name == name {
			return v.value, true
		}
	}
	return nil, false
}

// resolve returns the value of a path in this, and in the arguments that take precedence.
func (s *scope) resolve(parts []string) any {
	if len(parts) == 0 {
		return s.merged()
	}
	if v, ok := s.overlay.find(parts[0]); ok {
		return resolve(v, parts[1:])
	}
	return resolve(s.this, parts)
}

// merged returns the value of this, merged with the arguments that take precedence.
func (s *scope) merged() any {
	if s.overlay == nil {
		return s.this
	}
	out := map[string]any{}
	for v := s.overlay; v != nil; v = v.up {
		if _, hidden := out[v.name]; !hidden {
			out[v.name] = v.value
		}
	}
	fields, _ := s.this.(map[string]any)
	for name, value := range fields {
		if _, hidden := out[name]; !hidden {
			out[name] = value
		}
	}
	return out
}

// enter returns the scope of a block in which this is value. names are the block
// parameters for values; a nil data keeps that of s.
func (s *scope) enter(value any, data *frame, names []string, values ...any) *scope {
	vars := s.vars
	for i, v := range values {
		if i < len(names) {
			vars = &variable{name: names[i], value: v, up: vars}
		}
	}
	if data == nil {
		data = s.data
	}
	return &scope{this: value, up: s, data: data, vars: vars}
}

func (r *run) step() error {
	if r.steps++; r.steps > maxSteps {
		return ErrTooLarge
	}
	return nil
}

func (r *run) write(s string) error {
	if r.out.Len()+len(s) > MaxOutput {
		return ErrTooLarge
	}
	r.out.WriteString(s)
	return nil
}

func (r *run) program(p *program, s *scope) error {
	for _, n := range p.body {
		if err := r.step(); err != nil {
			return err
		}
		if err := n.render(r, s); err != nil {
			return err
		}
	}
	return nil
}

func (t *text) render(r *run, _ *scope) error { return r.write(t.value) }

func (o *output) render(r *run, s *scope) error {
	v, err := o.call.value(r, s)
	if err != nil {
		return err
	}
	if o.raw {
		return r.write(r.options.Raw(toText(v)))
	}
	return r.write(r.options.Escape(toText(v)))
}

// render writes the content of a raw block as it is, by means of the block helper if the
// name is that of one.
func (v *verbatim) render(r *run, s *scope) error {
	b := &block{call: v.call, main: &program{body: []node{&text{v.body}}}, inverse: &program{}}
	if blockHelperNamed(v.call.simpleName()) != nil {
		return b.render(r, s)
	}
	return r.write(v.body)
}

func (b *block) render(r *run, s *scope) error {
	name := b.call.simpleName()
	if _, local := s.vars.find(name); !local {
		if helper := blockHelperNamed(name); helper != nil {
			return helper(r, b, s)
		}
	}
	v, err := b.call.value(r, s)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		return r.program(b.inverse, s)
	case bool:
		return r.branch(b, s, v)
	case []any:
		return r.each(b, v, s)
	default:
		return r.program(b.main, s.enter(v, nil, b.main.params, v))
	}
}

func (p *partial) render(r *run, s *scope) error {
	t, err := p.find(r, s)
	if err != nil {
		return err
	}
	inner, err := p.scope(r, s)
	if err != nil {
		return err
	}
	if r.depth++; r.depth > maxNesting {
		return syntaxf(p.line, "partials are nested too deep")
	}
	defer func() { r.depth-- }()
	if p.indent == "" {
		return r.program(t.root, inner)
	}
	outer := r.out
	r.out = &strings.Builder{}
	err = r.program(t.root, inner)
	indented := indentLines(r.out.String(), p.indent)
	r.out = outer
	if err != nil {
		return err
	}
	return r.write(indented)
}

func (p *partial) find(r *run, s *scope) (*Template, error) {
	name := p.name
	if p.dynamic != nil {
		v, err := p.dynamic.value(r, s)
		if err != nil {
			return nil, err
		}
		name = toText(v)
	}
	if r.options.Partial == nil {
		return nil, syntaxf(p.line, "partial %q does not exist", name)
	}
	t, err := r.options.Partial(name)
	if err != nil {
		return nil, syntaxf(p.line, "partial %q: %v", name, err)
	}
	return t, nil
}

// scope returns the scope of the partial: its context, with the named arguments taking
// precedence.
func (p *partial) scope(r *run, s *scope) (*scope, error) {
	if len(p.args.args) == 0 && len(p.args.named) == 0 {
		return s, nil
	}
	inner := s.enter(s.this, nil, nil)
	inner.overlay = s.overlay
	if len(p.args.args) == 1 {
		v, err := p.args.args[0].value(r, s)
		if err != nil {
			return nil, err
		}
		inner.this, inner.overlay = v, nil
	}
	if _, object := inner.this.(map[string]any); !object && len(p.args.named) > 0 {
		inner.this = nil // other values have no fields to merge with the arguments
	}
	for _, arg := range p.args.named {
		v, err := arg.value.value(r, s)
		if err != nil {
			return nil, err
		}
		inner.overlay = &variable{name: arg.name, value: v, up: inner.overlay}
	}
	return inner, nil
}

// indentLines inserts indent before every line except an empty last one.
func indentLines(s, indent string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if line != "" || i < len(lines)-1 {
			lines[i] = indent + line
		}
	}
	return strings.Join(lines, "\n")
}

func (l literal) value(*run, *scope) (any, error) { return l.v, nil }

func (p *path) value(r *run, s *scope) (any, error) {
	if p.data {
		return p.dataValue(r, s), nil
	}
	if !p.explicit && len(p.parts) > 0 {
		if v, ok := s.vars.find(p.parts[0]); ok {
			return resolve(v, p.parts[1:]), nil
		}
	}
	at := s
	for range p.up {
		if at = at.up; at == nil {
			return nil, nil
		}
	}
	return at.resolve(p.parts), nil
}

// dataValue returns the value of @root or of a variable of the enclosing iterations.
func (p *path) dataValue(r *run, s *scope) any {
	if len(p.parts) == 0 {
		return nil
	}
	if p.parts[0] == "root" {
		return resolve(r.root, p.parts[1:])
	}
	at := s.data
	for range p.up {
		if at = at.up; at == nil {
			return nil
		}
	}
	// An inner frame inherits the variables of outer ones.
	for ; at != nil; at = at.up {
		if v, ok := at.values[p.parts[0]]; ok {
			return resolve(v, p.parts[1:])
		}
	}
	return nil
}

// value calls the helper with the name of the head, or returns the value of the head as a
// path.
func (c *call) value(r *run, s *scope) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	name := c.simpleName()
	_, local := s.vars.find(name)
	if helper, ok := helpers[name]; ok && !local {
		return c.run(helper, r, s)
	}
	if err := c.misfit(local); err != nil {
		return nil, err
	}
	return c.head.value(r, s)
}

func (c *call) run(h helper, r *run, s *scope) (any, error) {
	args, err := c.evaluate(r, s)
	if err != nil {
		return nil, err
	}
	if len(args) < h.args {
		return nil, syntaxf(c.line, "%q needs %d values", c.name, h.args)
	}
	return h.run(args), nil
}

func (c *call) evaluate(r *run, s *scope) ([]any, error) {
	out := make([]any, 0, len(c.args))
	for _, a := range c.args {
		v, err := a.value(r, s)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// onlyArgument returns the value of the only argument of a block helper.
func (c *call) onlyArgument(r *run, s *scope) (any, error) {
	if len(c.args) != 1 {
		return nil, syntaxf(c.line, "{{#%s}} needs exactly one value", c.name)
	}
	return c.args[0].value(r, s)
}

// option reports whether a named argument exists and is true.
func (c *call) option(name string, r *run, s *scope) (bool, error) {
	for _, arg := range c.named {
		if arg.name == name {
			v, err := arg.value.value(r, s)
			return truthy(v), err
		}
	}
	return false, nil
}
