package qrssim

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"

	"butler/internal/qlik"
	"butler/internal/sim/filter"
	"butler/internal/sim/world"
)

// collection is one kind of object, with the handlers that every kind has.
type collection struct {
	path                              string
	list, listFull, count, table, get func(*call)
	// remove is nil for objects that cannot be deleted.
	remove func(*call)
}

// source supplies the objects of type T.
type source[T any] struct {
	path string
	all  iter.Seq[T]
	// byID finds one object; read is the same for a request that names the object in its path.
	byID func(id string) (T, bool)
	read func(id string) (T, bool)
	// condense returns the short form of a list element.
	condense func(*T) any
	remove   func(id string) bool
}

func (s *Server) collections() []collection {
	w := s.world
	out := []collection{
		collect(taskSource(w, "task", qlik.TaskTypes()...)),
		collect(taskSource(w, "reloadtask", qlik.TaskReload, qlik.TaskDistribute, qlik.TaskPreload)),
		collect(taskSource(w, "externalprogramtask", qlik.TaskExternalProgram)),
		collect(taskSource(w, "usersynctask", qlik.TaskUserSync)),
		collect(source[world.App]{path: "app", all: w.Apps(), byID: w.App, condense: (*world.App).Condensed}),
		collect(source[world.User]{path: "user", all: w.Users(), byID: w.User, condense: (*world.User).Condensed}),
		collect(listSource("stream", w.Streams(), (*world.Stream).Condensed, func(d *world.Stream) string { return d.ID })),
		collect(listSource("tag", w.Tags(), (*world.Tag).Condensed, func(d *world.Tag) string { return d.ID })),
		collect(listSource("custompropertydefinition", w.Definitions(), (*world.Definition).Condensed,
			func(d *world.Definition) string { return d.ID })),
		collect(listSource("servernodeconfiguration", w.Nodes(), (*world.Node).Condensed, func(d *world.Node) string { return d.ID })),
		collect(accessSource(w, "license/professionalaccesstype", world.Professional)),
		collect(accessSource(w, "license/analyzeraccesstype", world.Analyzer)),
	}
	return out
}

func taskSource(w *world.World, path string, types ...qlik.TaskType) source[world.Task] {
	fits := func(t *world.Task) bool { return slices.Contains(types, qlik.TaskType(t.TaskType)) }
	only := func(task world.Task, ok bool) (world.Task, bool) { return task, ok && fits(&task) }
	return source[world.Task]{
		path: path,
		all: func(yield func(world.Task) bool) {
			for task := range w.Tasks() {
				if fits(&task) && !yield(task) {
					return
				}
			}
		},
		byID:     func(id string) (world.Task, bool) { return only(w.Task(id)) },
		read:     func(id string) (world.Task, bool) { return only(w.ReadTask(id)) },
		condense: (*world.Task).Condensed,
	}
}

func accessSource(w *world.World, path string, k world.LicenceKind) source[world.AccessType] {
	return source[world.AccessType]{
		path:     path,
		all:      w.AccessTypes(k),
		byID:     func(id string) (world.AccessType, bool) { return w.AccessType(k, id) },
		condense: (*world.AccessType).Condensed,
		remove: func(id string) bool {
			_, ok := w.AccessType(k, id)
			return ok && w.Delete(id)
		},
	}
}

func listSource[T any](path string, list []T, condense func(*T) any, id func(*T) string) source[T] {
	return source[T]{
		path: path,
		all:  slices.Values(list),
		byID: func(wanted string) (T, bool) {
			at := slices.IndexFunc(list, func(d T) bool { return id(&d) == wanted })
			if at < 0 {
				var none T
				return none, false
			}
			return list[at], true
		},
		condense: condense,
	}
}

// collect turns a source into handlers.
func collect[T any](s source[T]) collection {
	if s.read == nil {
		s.read = s.byID
	}
	c := collection{
		path:     s.path,
		list:     func(c *call) { s.answerList(c, s.condense) },
		listFull: func(c *call) { s.answerList(c, func(d *T) any { return d }) },
		count:    s.answerCount,
		table:    s.answerTable,
		get: func(c *call) {
			document, ok := s.read(c.id)
			if !ok {
				c.missing()
				return
			}
			c.answer(document)
		},
	}
	if s.remove != nil {
		c.remove = func(c *call) {
			if !s.remove(c.id) {
				c.missing()
				return
			}
			c.WriteHeader(http.StatusNoContent)
		}
	}
	return c
}

// find returns the documents that the query of a call selects, in the order of the query.
func (s source[T]) find(c *call) (iter.Seq[T], error) {
	wanted, err := filter.Parse[T](c.query["filter"])
	if err != nil {
		return nil, err
	}
	order, err := filter.ParseOrder[T](c.query["orderby"])
	if err != nil {
		return nil, err
	}
	found := s.matching(wanted)
	if order.IsZero() {
		return found, nil
	}
	sorted := slices.SortedStableFunc(found, func(a, b T) int { return order.Compare(&a, &b) })
	return slices.Values(sorted), nil
}

func (s source[T]) matching(wanted *filter.Filter[T]) iter.Seq[T] {
	ids, narrowed := wanted.IDs()
	if !narrowed {
		return func(yield func(T) bool) {
			for document := range s.all {
				if wanted.Match(&document) && !yield(document) {
					return
				}
			}
		}
	}
	return func(yield func(T) bool) {
		for _, id := range ids {
			document, ok := s.byID(id)
			if ok && wanted.Match(&document) && !yield(document) {
				return
			}
		}
	}
}

// answerList streams the documents, so that a list may be larger than memory.
func (s source[T]) answerList(c *call, form func(*T) any) {
	found, err := s.find(c)
	if err != nil {
		c.refuse(http.StatusBadRequest, err.Error())
		return
	}
	c.Header().Set("Content-Type", "application/json;charset=UTF-8")
	out := bufio.NewWriterSize(c, 32<<10)
	defer func() { _ = out.Flush() }()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	separator := "["
	for document := range found {
		_, _ = io.WriteString(out, separator)
		if encoder.Encode(form(&document)) != nil || c.request.Context().Err() != nil {
			return
		}
		separator = ","
	}
	if separator == "[" {
		_, _ = io.WriteString(out, separator)
	}
	_, _ = io.WriteString(out, "]")
}

func (s source[T]) answerCount(c *call) {
	found, err := s.find(c)
	if err != nil {
		c.refuse(http.StatusBadRequest, err.Error())
		return
	}
	total := 0
	for range found {
		total++
	}
	c.answer(struct {
		Value int `json:"value"`
	}{total})
}

// tableRequest describes the columns that a client requests.
type tableRequest struct {
	Entity  string `json:"entity"`
	Columns []struct {
		Name       string `json:"name"`
		ColumnType string `json:"columnType"`
		Definition string `json:"definition"`
	} `json:"columns"`
}

type tableAnswer struct {
	ID          string   `json:"id"`
	ColumnNames []string `json:"columnNames"`
	Rows        [][]any  `json:"rows"`
	SchemaPath  string   `json:"schemaPath"`
}

// answerTable answers with the requested columns of one page of the documents.
func (s source[T]) answerTable(c *call) {
	var wanted tableRequest
	if err := json.NewDecoder(c.request.Body).Decode(&wanted); err != nil {
		c.refuse(http.StatusBadRequest, "the table definition is no JSON object")
		return
	}
	answer := tableAnswer{ID: qlik.ZeroGUID, ColumnNames: []string{}, Rows: [][]any{}, SchemaPath: "Table"}
	var columns []filter.Column[T]
	for _, column := range wanted.Columns {
		parsed, err := filter.ParseColumn[T](cmp.Or(column.Definition, column.Name))
		if err != nil {
			c.refuse(http.StatusBadRequest, err.Error())
			return
		}
		columns = append(columns, parsed)
		answer.ColumnNames = append(answer.ColumnNames, column.Name)
	}
	if err := s.fillRows(c, columns, &answer); err != nil {
		c.refuse(http.StatusBadRequest, err.Error())
		return
	}
	c.write(http.StatusCreated, answer)
}

func (s source[T]) fillRows(c *call, columns []filter.Column[T], answer *tableAnswer) error {
	skip, err := natural(c.query["skip"], 0)
	if err != nil {
		return err
	}
	take, err := natural(c.query["take"], 1000)
	if err != nil {
		return err
	}
	if sortBy := c.query["sortcolumn"]; sortBy != "" && c.query["orderby"] == "" {
		c.query["orderby"] = sortBy + map[bool]string{true: " desc"}[c.query["orderascending"] == "false"]
	}
	found, err := s.find(c)
	if err != nil {
		return err
	}
	at := 0
	for document := range found {
		if at >= skip+take {
			break
		}
		if at++; at <= skip {
			continue
		}
		row := make([]any, 0, len(columns))
		for _, column := range columns {
			row = append(row, column.Value(&document))
		}
		answer.Rows = append(answer.Rows, row)
	}
	return nil
}

// natural parses a non-negative number, and returns the fallback for an empty text.
func natural(text string, fallback int) (int, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, &filter.SyntaxError{Reason: "skip and take are whole numbers"}
	}
	return int(n), nil
}
