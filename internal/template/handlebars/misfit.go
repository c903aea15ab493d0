package handlebars

import (
	"maps"
	"slices"
)

// misfit returns why a call fails with any data, nil if it may have a value. The name of
// the call is not that of a helper for values: if there are arguments, the helper does
// not exist, and if it is a helper for blocks, it cannot be used here. local means that
// the name is that of a block parameter.
func (c *call) misfit(local bool) error {
	if name := c.simpleName(); !local && blockHelperNamed(name) != nil {
		return syntaxf(c.line, "%q is a block: write {{#%s}}", name, name)
	}
	if len(c.args) == 0 && len(c.named) == 0 {
		return nil
	}
	return syntaxf(c.line, "unknown helper %q", c.name)
}

// Helpers returns the names of all helpers, sorted.
func Helpers() []string {
	return slices.Sorted(slices.Values(slices.AppendSeq([]string{"each", "if", "unless", "with"}, maps.Keys(helpers))))
}

// Survey is the result of checking a template without data.
type Survey struct {
	// Misfits are the calls that fail whenever they are evaluated, the first for each name.
	Misfits []Misfit
	// Partials are the names of the included partials, without those that depend on data.
	Partials []string
}

// Misfit is a call that fails whenever it is evaluated.
type Misfit struct {
	// Name is the name of the called helper.
	Name string
	// Err is the error, a *SyntaxError.
	Err error
}

// Survey checks the whole template, including branches that may never be rendered.
func (t *Template) Survey() Survey {
	s := surveyor{}
	s.program(t.root)
	return s.found
}

// surveyor visits the nodes of a template.
type surveyor struct {
	found  Survey
	locals []string // the block parameters in scope
}

func (s *surveyor) program(p *program) {
	outer := len(s.locals)
	s.locals = append(s.locals, p.params...)
	for _, n := range p.body {
		s.node(n)
	}
	s.locals = s.locals[:outer]
}

func (s *surveyor) node(n node) {
	switch n := n.(type) {
	case *output:
		s.call(n.call)
	case *block:
		s.opening(n.call)
		s.program(n.main)
		s.program(n.inverse)
	case *verbatim: // with any other name, its body is rendered as it is
		if blockHelperNamed(n.call.simpleName()) != nil {
			s.arguments(n.call)
		}
	case *partial:
		if n.dynamic != nil {
			s.call(n.dynamic)
		} else if !slices.Contains(s.found.Partials, n.name) {
			s.found.Partials = append(s.found.Partials, n.name)
		}
		s.arguments(n.args)
	}
}

// opening checks the call of a block.
func (s *surveyor) opening(c *call) {
	if name := c.simpleName(); blockHelperNamed(name) != nil && !s.local(name) {
		s.arguments(c)
		return
	}
	s.call(c)
}

func (s *surveyor) call(c *call) {
	name := c.simpleName()
	local := s.local(name)
	if _, known := helpers[name]; !known || local {
		if err := c.misfit(local); err != nil {
			s.misfit(c, err)
			return
		}
	}
	s.arguments(c)
}

func (s *surveyor) misfit(c *call, err error) {
	if !slices.ContainsFunc(s.found.Misfits, func(m Misfit) bool { return m.Name == c.name }) {
		s.found.Misfits = append(s.found.Misfits, Misfit{c.name, err})
	}
}

func (s *surveyor) arguments(c *call) {
	for _, arg := range c.args {
		s.operand(arg)
	}
	for _, arg := range c.named {
		s.operand(arg.value)
	}
}

func (s *surveyor) operand(o operand) {
	if sub, ok := o.(*call); ok {
		s.call(sub)
	}
}

func (s *surveyor) local(name string) bool { return slices.Contains(s.locals, name) }
