package qrs

import "bytes"

// The documents about executions read themselves: every event asks for one. They
// find what encoding/json finds in their fields.

// read implements reading.
func (d *outcomeDoc) read(c *cursor) {
	c.members(func(key []byte) {
		switch {
		case is(key, "id"):
			d.ID.read(c)
		case is(key, "name"):
			d.Name.read(c)
		case is(key, "operational"):
			d.Operational.read(c)
		default:
			c.value()
		}
	})
}

// is reports whether a key is a name, in whatever case.
func is(key []byte, name string) bool {
	return string(key) == name || bytes.EqualFold(key, []byte(name))
}

func (d *operationalDoc) read(c *cursor) {
	c.members(func(key []byte) {
		switch {
		case is(key, "nextExecution"):
			d.NextExecution.read(c)
		case !is(key, "lastExecutionResult"):
			c.value()
		case c.next() == 'n':
			c.value()
			d.LastExecutionResult = nil
		default:
			if d.LastExecutionResult == nil {
				d.LastExecutionResult = &resultDoc{}
			}
			d.LastExecutionResult.read(c)
		}
	})
}

func (d *resultDoc) read(c *cursor) {
	c.members(func(key []byte) {
		switch {
		case is(key, "id"):
			d.ID.read(c)
		case is(key, "executingNodeName"):
			d.ExecutingNodeName.read(c)
		case is(key, "status"):
			d.Status.read(c)
		case is(key, "startTime"):
			d.StartTime.read(c)
		case is(key, "stopTime"):
			d.StopTime.read(c)
		case is(key, "duration"):
			d.Duration.read(c)
		case is(key, "fileReferenceID"):
			d.FileReferenceID.read(c)
		case is(key, "scriptLogAvailable"):
			_ = d.ScriptLogAvailable.UnmarshalJSON(c.value())
		case is(key, "scriptLogSize"):
			d.ScriptLogSize.read(c)
		case is(key, "details"):
			d.readDetails(c)
		default:
			c.value()
		}
	})
}

// readDetails reads what a sequence reads.
func (d *resultDoc) readDetails(c *cursor) {
	c.elements(func() {
		isObject := c.next() == '{'
		if !isObject && c.next() != 'n' || len(d.Details) == maxListLength {
			c.value()
			return
		}
		var detail detailDoc
		detail.read(c)
		d.Details = append(d.Details, detail)
	})
}

func (d *detailDoc) read(c *cursor) {
	c.members(func(key []byte) {
		switch {
		case is(key, "detailsType"):
			d.DetailsType.read(c)
		case is(key, "message"):
			d.Message.read(c)
		case is(key, "detailCreatedDate"):
			d.DetailCreatedDate.read(c)
		default:
			c.value()
		}
	})
}
