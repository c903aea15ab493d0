package handlebars

import (
	"maps"
	"slices"
)

// misfit says why a call that is for no helper for values has no value, whatever the
// data: it has arguments, which the name of a field cannot have, or its helper is one
// for blocks. A local name is a block parameter's. It is nil where there may be a value.
func (c *call) misfit(local bool) error {
	if name := c.simpleName(); !local && blockHelperNamed(name) != nil {
		return syntaxf(c.line, "%q is a block: write {{#%s}}", name, name)
	}
	if len(c.args) == 0 && len(c.named) == 0 {
		return nil
	}
	return syntaxf(c.line, "unknown helper %q", c.name)
}

// Helpers returns the names of all helpers.
func Helpers() []string {
	return slices.Sorted(slices.Values(slices.AppendSeq([]string{"each", "if", "unless", "with"}, maps.Keys(helpers))))
}

// Survey is what can be known of a template without data.
type Survey struct {
	// Misfits are the calls that fail wherever they are evaluated, one for each name.
	Misfits []Misfit
	// Partials are the constant names of those that it includes.
	Partials []string
}

// Misfit is a call that fails wherever it is evaluated.
type Misfit struct {
	// Name is what is called.
	Name string
	// Err is why it fails, with its line.
	Err error
}

// Survey looks through the whole template.
func (t *Template) Survey() Survey {
	s := surveyor{}
	s.program(t.root)
	return s.found
}

// surveyor goes through a template.
type surveyor struct {
	found  Survey
	locals []string // the block parameters around
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
	case *verbatim: // its body stands as it is, with any other name
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

// opening looks at the call of a block.
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
