package handlebars

// helper is a function for values.
type helper struct {
	// args is the minimum number of arguments.
	args int
	run  func(args []any) any
}

// helpers are all helpers for values.
var helpers = map[string]helper{
	"eq":     {2, func(args []any) any { return strictlyEqual(args[0], args[1]) }},
	"lookup": {2, func(args []any) any { return field(args[0], toText(args[1])) }},
	"log":    {0, func([]any) any { return nil }},
}

// blockHelper renders a block.
type blockHelper func(r *run, b *block, s *scope) error

// blockHelperNamed returns the helper of {{#name}}, nil if there is none.
func blockHelperNamed(name string) blockHelper {
	switch name {
	case "if":
		return renderIf
	case "unless":
		return renderUnless
	case "with":
		return renderWith
	case "each":
		return renderEach
	case "eq":
		return renderEq
	default:
		return nil
	}
}

// branch renders the main or the inverse program in the same scope.
func (r *run) branch(b *block, s *scope, condition bool) error {
	if condition {
		return r.program(b.main, s)
	}
	return r.program(b.inverse, s)
}

func condition(r *run, b *block, s *scope) (bool, error) {
	v, err := b.call.onlyArgument(r, s)
	if err != nil {
		return false, err
	}
	includeZero, err := b.call.option("includeZero", r, s)
	if n, ok := number(v); ok && n == 0 {
		return includeZero, err
	}
	return truthy(v), err
}

func renderIf(r *run, b *block, s *scope) error {
	ok, err := condition(r, b, s)
	if err != nil {
		return err
	}
	return r.branch(b, s, ok)
}

func renderUnless(r *run, b *block, s *scope) error {
	ok, err := condition(r, b, s)
	if err != nil {
		return err
	}
	return r.branch(b, s, !ok)
}

// renderEq is the block form of eq.
func renderEq(r *run, b *block, s *scope) error {
	v, err := b.call.run(helpers["eq"], r, s)
	if err != nil {
		return err
	}
	return r.branch(b, s, v == true)
}

func renderWith(r *run, b *block, s *scope) error {
	v, err := b.call.onlyArgument(r, s)
	if err != nil {
		return err
	}
	if n, ok := number(v); !truthy(v) && !(ok && n == 0) {
		return r.program(b.inverse, s)
	}
	return r.program(b.main, s.enter(v, nil, b.main.params, v))
}

func renderEach(r *run, b *block, s *scope) error {
	v, err := b.call.onlyArgument(r, s)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case []any:
		return r.each(b, v, s)
	case map[string]any:
		return r.eachField(b, v, s)
	case Named:
		return r.eachField(b, v.Fields, s)
	default:
		return r.program(b.inverse, s)
	}
}

// each renders the block once per item.
func (r *run) each(b *block, items []any, s *scope) error {
	for i, item := range items {
		if err := r.iteration(b, s, item, i, i, len(items)); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		return r.program(b.inverse, s)
	}
	return nil
}

// eachField renders the block once per field, sorted by name.
func (r *run) eachField(b *block, fields map[string]any, s *scope) error {
	names := sortedNames(fields)
	for i, name := range names {
		if err := r.iteration(b, s, fields[name], name, i, len(names)); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return r.program(b.inverse, s)
	}
	return nil
}

// iteration renders the block for one item. key is its index or its name, and i its
// position among n items.
func (r *run) iteration(b *block, s *scope, item, key any, i, n int) error {
	if err := r.step(); err != nil {
		return err
	}
	data := &frame{up: s.data, values: map[string]any{"key": key, "index": i, "first": i == 0, "last": i == n-1}}
	return r.program(b.main, s.enter(item, data, b.main.params, item, key))
}
