package qrs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"butler/internal/qlik"
	"butler/messages"
)

// TasksByTag returns the tasks that carry the tag; the comparison is exact.
func (c *Client) TasksByTag(ctx context.Context, tag string) ([]messages.Task, error) {
	docs, err := list[taskDoc](ctx, c, request{op: opTasksByTag, path: "task/full", filter: Equal(FieldTagName, tag)})
	if err != nil {
		return nil, err
	}
	docs = slices.DeleteFunc(docs, func(d taskDoc) bool {
		return !slices.ContainsFunc(d.Tags, func(t entityDoc) bool { return string(t.Name) == tag })
	})
	return translate(docs, taskDoc.task), nil
}

// TasksByCustomProperty returns the tasks on which the custom property name has
// the value. The QRS compares names and values of all properties of a task with
// each other, so the pair is looked for again in what it returns.
func (c *Client) TasksByCustomProperty(ctx context.Context, name, value string) ([]messages.Task, error) {
	filter := Equal(FieldPropertyName, name).And(Equal(FieldPropertyValue, value))
	docs, err := list[taskDoc](ctx, c, request{op: opTasksByProperty, path: "task/full", filter: filter})
	if err != nil {
		return nil, err
	}
	docs = slices.DeleteFunc(docs, func(d taskDoc) bool {
		return !slices.ContainsFunc(d.CustomProperties, func(p propertyDoc) bool {
			return string(p.Definition.Name) == name && string(p.Value) == value
		})
	})
	return translate(docs, taskDoc.task), nil
}

// StartTask starts a task of any type. It is never repeated: after an error
// without an answer nobody knows whether the task was started.
func (c *Client) StartTask(ctx context.Context, taskID string) error {
	r := request{
		op: opStartTask, method: http.MethodPost, body: "{}", single: true,
		path: "task/" + strings.ToLower(taskID) + "/start",
	}
	if !qlik.IsGUID(taskID) {
		return c.rejected(r, errors.New("the task ID is not an object ID"))
	}
	_, err := c.send(ctx, r)
	return err
}

// PropertyDefinition describes a custom property.
type PropertyDefinition struct {
	ID   string
	Name string
	// ChoiceValues are the values it may have; empty when any will do.
	ChoiceValues []string
	// ObjectTypes are the kinds of objects that can carry it.
	ObjectTypes []string
}

type definitionDoc struct {
	entityDoc
	ChoiceValues sequence[text] `json:"choiceValues"`
	ObjectTypes  sequence[text] `json:"objectTypes"`
}

func (d definitionDoc) definition() PropertyDefinition {
	return PropertyDefinition{
		ID: d.key(), Name: d.Name.line(maxName),
		ChoiceValues: lines(d.ChoiceValues), ObjectTypes: lines(d.ObjectTypes),
	}
}

func lines(texts []text) []string {
	var out []string
	for _, t := range texts {
		out = append(out, t.line(maxName))
	}
	return out
}

// CustomPropertyDefinitions returns the custom properties that objects of a
// type, such as "ReloadTask", can carry.
func (c *Client) CustomPropertyDefinitions(ctx context.Context, objectType string) ([]PropertyDefinition, error) {
	return c.definitions(ctx, Equal(FieldObjectTypes, objectType))
}

// AllCustomPropertyDefinitions returns the custom properties of all types of objects.
func (c *Client) AllCustomPropertyDefinitions(ctx context.Context) ([]PropertyDefinition, error) {
	return c.definitions(ctx, Filter{})
}

// CustomPropertyDefinition returns the custom property of a name, or messages.FailureNotFound.
func (c *Client) CustomPropertyDefinition(ctx context.Context, name string) (PropertyDefinition, error) {
	filter := Equal(FieldName, name)
	found, err := c.definitions(ctx, filter)
	if err != nil {
		return PropertyDefinition{}, err
	}
	for _, d := range found {
		if d.Name == name {
			return d, nil
		}
	}
	return PropertyDefinition{}, &Error{
		Kind: messages.FailureNotFound, client: c, status: http.StatusOK,
		request: request{op: opDefinitions, path: definitionsPath, filter: filter},
		err:     errors.New("there is no such custom property"),
	}
}

const definitionsPath = "custompropertydefinition/full"

func (c *Client) definitions(ctx context.Context, filter Filter) ([]PropertyDefinition, error) {
	docs, err := list[definitionDoc](ctx, c, request{op: opDefinitions, path: definitionsPath, filter: filter})
	return translate(docs, definitionDoc.definition), err
}
