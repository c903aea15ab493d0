// Package teams owns the delivery of alerts to Microsoft Teams: one card per alert to the
// address of a workflow or a connector, laid out by the operator's template or the built-in one.
//
// It guarantees that a message fits Teams' size limit and is valid JSON whatever the
// data and the template contain. Package chat, with its guarantees, has what is
// common to chat services, above all the call to the address.
package teams

import (
	"bytes"
	"embed"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"butler/internal/destination"
	"butler/internal/destination/chat"
	"butler/internal/httpc"
	"butler/internal/template"
)

//go:embed schema.yaml
var schema []byte

//go:embed templates
var files embed.FS

// Definition describes the destination "teams".
func Definition() destination.Definition {
	return destination.Define("teams", chat.Spec(service(), read, compose))
}

func service() chat.Service {
	return chat.Service{
		Section: section, CloudSection: cloudSection, Route: "teams", Schema: schema,
		// Teams accepts four messages per second and address, and fewer over long periods.
		Pace:        destination.Pace{Rate: 1, Burst: 4},
		Address:     "the https address of a workflow, or of an incoming webhook of a channel",
		ContentType: "application/json",
		Medium:      template.TeamsJSON, Templates: template.Embedded(files), ShippedName: shippedName, Plain: plainCard,
		Refusal: refusal,
	}
}

// shippedName removes the "-workflow" of old sample configurations.
func shippedName(path string) string {
	return strings.ReplaceAll(path, "-workflow"+template.Extension, template.Extension)
}

// teams composes cards for one address.
type teams struct {
	event Event
	room  *chat.Room
}

func compose(e Event, r *chat.Room) chat.Composer { return &teams{event: e, room: r} }

var (
	refused     = []byte("Webhook message delivery failed")
	refusedWith = regexp.MustCompile(`returned HTTP error ([3-5][0-9]{2})\b`)
)

// refusal returns the error that a connector hides in an answer with status 200: the
// status is the connector's own, and the text contains the one of Teams.
func refusal(answer httpc.Answer, req *http.Request) error {
	if !bytes.HasPrefix(bytes.TrimSpace(answer.Body), refused) {
		return nil
	}
	said := refusedWith.FindSubmatch(answer.Body)
	if said == nil {
		return errors.New("the connector could not hand the message to Teams")
	}
	code, err := strconv.Atoi(string(said[1]))
	if err != nil {
		return err
	}
	return httpc.Check(&http.Response{
		StatusCode: code, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(answer.Body)), Request: req,
	})
}
