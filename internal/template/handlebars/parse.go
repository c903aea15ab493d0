package handlebars

// node is an element of a program.
type node interface {
	render(r *run, s *scope) error
}

// program is a sequence of nodes: a template, or one branch of a block.
type program struct {
	body []node
	// params are the names of {{#each x as |item index|}}.
	params []string
}

type (
	text   struct{ value string }
	output struct {
		call *call
		raw  bool
	}
	block struct {
		call *call
		// main and inverse are never nil.
		main, inverse *program
	}
	verbatim struct {
		call *call
		body string
	}
	partial struct {
		// The name is the constant name or, if dynamic is not nil, the value of that.
		name    string
		dynamic *call
		args    *call
		indent  string
		line    int
	}
)

// parser builds programs from tokens.
type parser struct {
	tokens []token
	pos    int
}

// program parses nodes up to the end or to a tag that continues or closes a block, which
// it does not consume.
func (p *parser) program(depth int) (*program, error) {
	out := &program{}
	for p.pos < len(p.tokens) {
		t := p.tokens[p.pos]
		if t.kind == elseToken || t.kind == elseOpenToken || t.kind == closeToken {
			return out, nil
		}
		p.pos++
		n, err := p.node(t, depth)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out.body = append(out.body, n)
		}
	}
	return out, nil
}

func (p *parser) node(t token, depth int) (node, error) {
	switch t.kind {
	case textToken:
		if t.text == "" {
			return nil, nil
		}
		return &text{t.text}, nil
	case outputToken, rawToken:
		c, err := parseCall(t.text, t.line)
		return &output{call: c, raw: t.kind == rawToken}, err
	case openToken, invertToken:
		return p.block(t, depth)
	case partialToken:
		return parsePartial(t)
	case verbatimToken:
		c, err := parseCall(t.text, t.line)
		return &verbatim{call: c, body: t.body}, err
	default:
		return nil, nil // a comment
	}
}

// block parses the rest of a block whose opening tag is t.
func (p *parser) block(t token, depth int) (*block, error) {
	b, err := p.branches(t, depth)
	if err != nil {
		return nil, err
	}
	if p.pos >= len(p.tokens) {
		return nil, syntaxf(t.line, "{{#%s}} is not closed", b.call.name)
	}
	end := p.tokens[p.pos]
	if end.kind != closeToken {
		return nil, syntaxf(end.line, "{{%s}} follows a final {{else}}", end.shown())
	}
	if end.text != b.call.name {
		return nil, syntaxf(end.line, "{{/%s}} closes {{#%s}} of line %d", end.text, b.call.name, t.line)
	}
	p.pos++
	return b, nil
}

// branches parses the branches of a block up to its closing tag, which it does not consume.
func (p *parser) branches(t token, depth int) (*block, error) {
	if depth >= maxNesting {
		return nil, syntaxf(t.line, "blocks are nested too deep")
	}
	c, params, err := parseOpening(t.text, t.line)
	if err != nil {
		return nil, err
	}
	first, err := p.program(depth + 1)
	if err != nil {
		return nil, err
	}
	first.params = params
	second, err := p.elseBranch(depth)
	if err != nil {
		return nil, err
	}
	if t.kind == invertToken {
		first, second = second, first
	}
	return &block{call: c, main: first, inverse: second}, nil
}

// elseBranch parses the else branch. It returns an empty program if there is none.
func (p *parser) elseBranch(depth int) (*program, error) {
	if p.pos >= len(p.tokens) {
		return &program{}, nil
	}
	t := p.tokens[p.pos]
	switch t.kind {
	case elseToken:
		p.pos++
		return p.program(depth + 1)
	case elseOpenToken:
		p.pos++
		chained, err := p.branches(t, depth+1)
		if err != nil {
			return nil, err
		}
		return &program{body: []node{chained}}, nil
	default:
		return &program{}, nil
	}
}
