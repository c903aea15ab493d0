package messages

import "math"

// Point is one row of a measurement without a struct of its own, with the names and
// values under which it is stored.
type Point struct {
	// Tags identify the measured object. Frozen.
	Tags []Property `json:"tags,omitempty"`
	// Fields are the measured values. Frozen.
	Fields []Field `json:"fields,omitempty"`
}

// Field is one value of a point.
type Field struct {
	Name string    `json:"name"`
	Type FieldType `json:"type"`
	// Number, Text and Truth are the value; only that of the type is set. Number is finite.
	Number float64 `json:"number,omitempty"`
	Text   string  `json:"text,omitempty"`
	Truth  bool    `json:"truth,omitempty"`
}

// FieldType is the type of a field. It is part of recorded alerts, so its texts never change.
type FieldType string

// The types of a field.
const (
	NumberField FieldType = "number"
	TextField   FieldType = "text"
	TruthField  FieldType = "truth"
)

// Tag returns p with a tag.
func (p Point) Tag(name, value string) Point {
	p.Tags = append(p.Tags[:len(p.Tags):len(p.Tags)], Property{Name: name, Value: value})
	return p
}

// Number returns p with a number. It returns p unchanged if value is not finite.
func (p Point) Number(name string, value float64) Point {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return p
	}
	return p.with(Field{Name: name, Type: NumberField, Number: value})
}

// Text returns p with a text. It returns p unchanged if value is empty.
func (p Point) Text(name, value string) Point {
	if value == "" {
		return p
	}
	return p.with(Field{Name: name, Type: TextField, Text: value})
}

// Truth returns p with a boolean value.
func (p Point) Truth(name string, value bool) Point {
	return p.with(Field{Name: name, Type: TruthField, Truth: value})
}

func (p Point) with(f Field) Point {
	p.Fields = append(p.Fields[:len(p.Fields):len(p.Fields)], f)
	return p
}
