package filter

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"butler/internal/qlik"
)

type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opContains
	opEndsWith
	opStartsWith
)

// operators is the table of comparison words; "so" reads "substring of".
var operators = map[string]operator{
	"eq": opEqual, "ne": opNotEqual, "gt": opGreater, "ge": opGreaterEqual, "lt": opLess, "le": opLessEqual,
	"so": opContains, "ew": opEndsWith, "sw": opStartsWith,
}

// textual reports whether the operator works on text only.
func (o operator) textual() bool { return o >= opContains }

// parser reads an expression by recursive descent:
//
//	any     = all { "or" all }
//	all     = single { "and" single }
//	single  = "not" single | "(" any ")" | path operator literal
type parser struct {
	tokens   []token
	at       int
	depth    int
	end      int
	document reflect.Type
}

func parse(text string, document reflect.Type) (node, error) {
	if len(text) > MaxLength {
		return nil, &SyntaxError{Offset: MaxLength, Reason: "the expression is too long"}
	}
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return nil, nil
	}
	p := &parser{tokens: tokens, end: len(text), document: document}
	root, err := p.any()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.tokens) {
		return nil, p.fail("unexpected %q", p.tokens[p.at].text)
	}
	return root, nil
}

// any parses terms joined by "or"; all parses terms joined by "and".
func (p *parser) any() (node, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, p.fail("the expression is nested too deeply")
	}
	defer func() { p.depth-- }()
	return p.joined("or", p.all, func(parts []node) node { return anyOf(parts) })
}

func (p *parser) all() (node, error) {
	return p.joined("and", p.single, func(parts []node) node { return allOf(parts) })
}

// joined parses one term, or several separated by a word.
func (p *parser) joined(word string, term func() (node, error), join func([]node) node) (node, error) {
	var parts []node
	for {
		next, err := term()
		if err != nil {
			return nil, err
		}
		parts = append(parts, next)
		if !p.skip(word) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return join(parts), nil
}

func (p *parser) single() (node, error) {
	negated := false
	for p.skip("not") {
		negated = !negated
	}
	inner, err := p.operand()
	if err != nil {
		return nil, err
	}
	if negated {
		return negation{of: inner}, nil
	}
	return inner, nil
}

func (p *parser) operand() (node, error) {
	if !p.skipKind(tokenOpen) {
		return p.comparison()
	}
	inner, err := p.any()
	if err != nil {
		return nil, err
	}
	if !p.skipKind(tokenClose) {
		return nil, p.fail("a closing parenthesis is missing")
	}
	return inner, nil
}

func (p *parser) comparison() (node, error) {
	name, err := p.word("a property")
	if err != nil {
		return nil, err
	}
	sign, err := p.word("an operator")
	if err != nil {
		return nil, err
	}
	op, known := operators[strings.ToLower(sign.text)]
	if !known {
		return nil, &SyntaxError{Offset: sign.offset, Reason: fmt.Sprintf("unknown operator %q", sign.text)}
	}
	if p.at >= len(p.tokens) || p.tokens[p.at].kind != tokenWord && p.tokens[p.at].kind != tokenString {
		return nil, p.fail("a value is missing after %q", sign.text)
	}
	value := p.tokens[p.at]
	p.at++
	return p.build(name, op, value)
}

func (p *parser) build(name token, op operator, value token) (node, error) {
	if rest, shorthand := strings.CutPrefix(name.text, "@"); shorthand {
		return p.buildProperty(token{kind: name.kind, text: rest, offset: name.offset}, op, value)
	}
	return buildComparison(p.document, name, op, value)
}

// buildProperty turns @Name into a comparison of the custom property with that name.
func (p *parser) buildProperty(name token, op operator, value token) (node, error) {
	list, err := resolve(p.document, "customProperties")
	if err != nil {
		return nil, &SyntaxError{Offset: name.offset, Reason: err.Error()}
	}
	definition, err := resolve(list.leaf, "definition.name")
	if err != nil {
		return nil, &SyntaxError{Offset: name.offset, Reason: err.Error()}
	}
	compared, err := buildComparison(list.leaf, token{text: "value", offset: name.offset}, op, value)
	if err != nil {
		return nil, err
	}
	return property{list: list, name: definition, value: compared, want: name.text}, nil
}

func buildComparison(document reflect.Type, name token, op operator, value token) (comparison, error) {
	refuse := func(offset int, format string, args ...any) (comparison, error) {
		return comparison{}, &SyntaxError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
	resolved, err := resolve(document, name.text)
	if err != nil {
		return refuse(name.offset, "%v", err)
	}
	if !resolved.scalar() {
		return refuse(name.offset, "%q is not a single value", name.text)
	}
	operand := readLiteral(value.text)
	switch kind := resolved.leaf.Kind(); {
	case kind == reflect.String && value.kind == tokenWord && !operand.bare():
		return refuse(value.offset, "%q is no value; text needs quotes", value.text)
	case kind != reflect.String && op.textual():
		return refuse(name.offset, "%q is not text", name.text)
	case kind == reflect.Bool && !operand.isBool:
		return refuse(value.offset, "%q is neither true nor false", value.text)
	case kind != reflect.String && kind != reflect.Bool && !operand.isNum:
		return refuse(value.offset, "%q is not a number", value.text)
	}
	return comparison{path: resolved, op: op, literal: operand}, nil
}

func readLiteral(text string) literal {
	l := literal{text: text, isGUID: qlik.IsGUID(text)}
	if number, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(number) && !math.IsInf(number, 0) {
		l.number, l.isNum = number, true
	}
	switch strings.ToLower(text) {
	case "true":
		l.boolean, l.isBool = true, true
	case "false":
		l.isBool = true
	}
	l.date, l.isDate = parseDate(text)
	return l
}

// bare reports whether the literal may be written without quotes.
func (l literal) bare() bool { return l.isGUID || l.isNum || l.isBool || l.isDate }

func (p *parser) word(what string) (token, error) {
	if p.at >= len(p.tokens) || p.tokens[p.at].kind != tokenWord {
		return token{}, p.fail("%s is expected", what)
	}
	p.at++
	return p.tokens[p.at-1], nil
}

func (p *parser) skip(keyword string) bool {
	if p.at >= len(p.tokens) || p.tokens[p.at].kind != tokenWord || !strings.EqualFold(p.tokens[p.at].text, keyword) {
		return false
	}
	p.at++
	return true
}

func (p *parser) skipKind(kind tokenKind) bool {
	if p.at >= len(p.tokens) || p.tokens[p.at].kind != kind {
		return false
	}
	p.at++
	return true
}

func (p *parser) fail(format string, args ...any) error {
	offset := p.end
	if p.at < len(p.tokens) {
		offset = p.tokens[p.at].offset
	}
	return &SyntaxError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}
