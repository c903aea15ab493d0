package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// rootKey is the one key at the top of a configuration file.
const rootKey = "Butler"

// extensionPrefix begins keys, at the top or directly below the root, that
// nobody reads: a place for anchors.
const extensionPrefix = "x-"

// maxFileBytes bounds the configuration file. A complete one has 60 KiB.
const maxFileBytes = 4 << 20

// readFile returns the bytes of the configuration file, or says what is wrong with it.
func readFile(path string, problems *Problems) ([]byte, bool) {
	refuse := func(reason, suggestion string) ([]byte, bool) {
		problems.add(Problem{File: path, Reason: reason, Suggestion: suggestion})
		return nil, false
	}
	// Opening a pipe would wait for somebody to write.
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return refuse("is a directory", "name the file in it")
	}
	if err == nil && !info.Mode().IsRegular() {
		return refuse("is not a file", "name a configuration file")
	}
	if ext := filepath.Ext(path); err == nil && !strings.EqualFold(ext, ".yaml") {
		return refuse("the name of a configuration file ends in .yaml", "rename it to "+strings.TrimSuffix(filepath.Base(path), ext)+".yaml")
	}
	f, err := os.Open(path)
	if err != nil {
		return refuse("cannot be opened: "+reasonOf(err), "check the path and the permissions")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return refuse("cannot be read: "+reasonOf(err), "")
	}
	if len(data) > maxFileBytes {
		return refuse(fmt.Sprintf("is larger than %d MiB", maxFileBytes>>20), "this is not a configuration file")
	}
	return data, true
}

// reasonOf strips the path from a file error; the problem names it already.
func reasonOf(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// parseDocument reads the one document of a file and returns its top node.
func parseDocument(file string, data []byte, problems *Problems) (*yaml.Node, bool) {
	data = legible(data)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		problems.add(Problem{File: file, Reason: "the file is empty", Suggestion: `begin with the line "Butler:"`})
		return nil, false
	case err != nil:
		problems.add(syntaxProblem(file, data, err))
		return nil, false
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		problems.add(syntaxProblem(file, data, err))
	default:
		problems.add(Problem{
			File: file, Line: second.Line, Column: second.Column,
			Reason: "a second document begins here", Suggestion: `keep one document: remove the line "---" and merge what follows`,
		})
	}
	if len(doc.Content) == 0 {
		problems.add(Problem{File: file, Reason: "the file is empty", Suggestion: `begin with the line "Butler:"`})
		return nil, false
	}
	return doc.Content[0], true
}

// The YAML parser refuses the directive "%YAML 1.2", and tabs where YAML 1.2 allows
// them: on an empty line, before a comment, and after the dash of a list item. The
// Node.js tool accepts such files.
var (
	newerYAML = regexp.MustCompile(`^(\x{FEFF}?(?:[ \t]*(?:#.*)?\r?\n)*%YAML[ \t]+1\.)2\b`)
	idleTabs  = regexp.MustCompile(`(?m)^(?: *\t[ \t]*(?:#|\r?$)| *-[ \t]*\t[ \t]*)`)
)

// legible returns the text of a file as the parser accepts it, with the same lines
// and columns. A text that parses as it is keeps its tabs.
func legible(data []byte) []byte {
	data = newerYAML.ReplaceAll(data, []byte("${1}1"))
	if yaml.Unmarshal(data, &yaml.Node{}) == nil {
		return data
	}
	return idleTabs.ReplaceAllFunc(data, func(space []byte) []byte { return bytes.ReplaceAll(space, []byte("\t"), []byte(" ")) })
}

var yamlErrorLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// syntaxProblem turns an error of the YAML reader into a problem with a place.
func syntaxProblem(file string, data []byte, err error) Problem {
	p := Problem{File: file, Reason: "is not valid YAML"}
	m := yamlErrorLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	if m == nil {
		return p
	}
	p.Line, _ = strconv.Atoi(m[1])
	if name, ok := missingAnchor(m[2]); ok {
		p.Line = firstLine(data, regexp.MustCompile(`(?:^|[\s\[{,])\*`+regexp.QuoteMeta(name)))
		p.Reason += ": a text that begins with * is the name of an anchor, and there is none of that name"
		p.Suggestion = "put the text in quotes"
		return p
	}
	p.Reason += ": " + printable(m[2])
	misplaced := strings.HasPrefix(m[2], "did not find expected key") || strings.HasPrefix(m[2], "did not find expected '-'")
	unreadable := 0
	if p.Line == 0 {
		unreadable = firstUnreadable(data)
	}
	switch {
	case unreadable > 0:
		p.Line, p.Suggestion = unreadable, "save the file as UTF-8 without control characters"
	case indentedWithTab(data, p.Line):
		p.Suggestion = "indent with spaces; YAML does not allow tabs there"
	case oddSpace(data, p.Line) > 0:
		p.Line, p.Suggestion = oddSpace(data, p.Line), "replace the non-breaking or otherwise special space in this line by an ordinary one"
	case strings.HasPrefix(m[2], "found unexpected end of stream") && openQuote(data, math.MaxInt) > 0:
		p.Line, p.Suggestion = openQuote(data, math.MaxInt), closeQuote
	case misplaced:
		p.Suggestion = "put the whole text in quotes"
		var indentation bool
		if p.Line, indentation = firstMisplaced(data, err); indentation {
			p.Suggestion = "indent it like the keys around it"
		}
		if at := openQuote(data, p.Line); at > 0 {
			p.Line, p.Suggestion = at, closeQuote
		}
	default:
		for _, s := range slips {
			if strings.HasPrefix(m[2], s.says) {
				p.Suggestion = s.remedy
			}
		}
	}
	return p
}

// closeQuote is the suggestion for a quote that is not closed.
const closeQuote = "close the quote that begins in this line"

// singleQuotes is the suggestion for a Windows path in double quotes.
const singleQuotes = `put a path with backslashes in single quotes: 'C:\butler\client.pem'`

// slips are error texts of the YAML parser, and how to correct the usual cause.
var slips = []struct{ says, remedy string }{
	{"found unknown escape character", singleQuotes},
	{"mapping values are not allowed", "put a text that holds a colon in quotes"},
	{"found character that cannot start any token", "put a text that begins with @, % or ` in quotes"},
	{"could not find expected ':'", "write a key with a colon and a space after it"},
}

// missingAnchor returns the name in the error of an anchor that does not exist. It is not
// shown: it may be a password that begins with *.
func missingAnchor(says string) (name string, ok bool) {
	says, ok = strings.CutPrefix(says, "unknown anchor '")
	return strings.TrimSuffix(says, "' referenced"), ok
}

// firstLine returns the first line that matches, 0 when none does.
func firstLine(data []byte, pattern *regexp.Regexp) int {
	n := 0
	for text := range bytes.Lines(data) {
		n++
		if pattern.Match(text) {
			return n
		}
	}
	return 0
}

// specialSpace matches a line whose indentation, or the space after its key, contains a
// space that is none for YAML, as in text copied from a web page.
var specialSpace = regexp.MustCompile(`^\s*(?:- *)?(?:[\w.-]+: *)?[\x{A0}\x{2000}-\x{200B}\x{202F}\x{3000}]`)

// oddSpace returns the first such line up to the given one, 0 when there is none.
func oddSpace(data []byte, line int) int {
	if at := firstLine(data, specialSpace); at <= line+1 {
		return at
	}
	return 0
}

// startedQuote matches a value that begins with a quote which its line does not close.
var startedQuote = regexp.MustCompile(`^\s*(?:- *)?(?:[\w.-]+: +)?(?:(')(?:[^']|'')*|(")(?:[^"\\]|\\.)*)\r?\n?$`)

// openQuote returns the line with a quote that is not closed before the given line; 0
// when there is none. The parser takes everything up to the next quote for the value,
// and reports an error only there.
func openQuote(data []byte, line int) int {
	n, at := 0, 0
	var quote []byte
	for text := range bytes.Lines(data) {
		if n++; n >= line {
			break
		}
		if at > 0 && bytes.Contains(text, quote) {
			at = 0
		} else if m := startedQuote.FindSubmatch(text); at == 0 && m != nil {
			at, quote = n, append(m[1], m[2]...)
		}
	}
	return at
}

// firstUnreadable returns the first line that is not UTF-8 or holds control
// characters, which the parser reports without a line; 0 when there is none.
func firstUnreadable(data []byte) int {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\n' }
	n := 0
	for text := range bytes.Lines(data) {
		n++
		if !utf8.Valid(text) || bytes.ContainsFunc(text, control) {
			return n
		}
	}
	return 0
}

// firstMisplaced returns the first line at which the parser reports this error, and
// whether the indentation of that line is the cause. The parser itself reports only
// the line where the section begins.
func firstMisplaced(data []byte, says error) (line int, indentation bool) {
	lines := slices.Collect(bytes.Lines(data))
	wrong := func(lines ...[]byte) bool {
		var doc yaml.Node
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines, nil)))
		err := dec.Decode(&doc)
		if err == nil {
			err = dec.Decode(&doc) // the error may be in a second document
		}
		return err != nil && err.Error() == says.Error()
	}
	line = 1 + sort.Search(len(lines)-1, func(i int) bool { return wrong(lines[:i+1]...) })
	before, last := lines[:line-1], lines[line-1]
	bare := bytes.TrimLeft(last, " ")
	entry := "key:\n"
	if bytes.HasPrefix(bare, []byte("-")) {
		entry = "- item\n"
	}
	return line, wrong(append(slices.Clone(before), append(slices.Clone(last[:len(last)-len(bare)]), entry...))...)
}

// indentedWithTab reports whether the line or one next to it begins with a tab: the
// parser reports the line of a syntax error only roughly.
func indentedWithTab(data []byte, line int) bool {
	n := 0
	for text := range bytes.Lines(data) {
		n++
		if n < line-1 {
			continue
		}
		if n > line+1 {
			return false
		}
		if bytes.HasPrefix(bytes.TrimLeft(text, " "), []byte("\t")) {
			return true
		}
	}
	return false
}

// resolve follows an alias to what its anchor names.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// Bounds on how far aliases may expand a file. Nesting needs no bound: the check
// follows the schema, which is finite.
const (
	maxMerges  = 4
	maxVisited = 50_000
)
