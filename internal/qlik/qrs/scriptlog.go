package qrs

import (
	"context"
	"errors"
	"strings"

	"butler/internal/qlik"
)

// ScriptLogTicketByFile asks for the ticket of a script log in the way that
// servers before May 2025 know: by the file reference of the execution result.
func (c *Client) ScriptLogTicketByFile(ctx context.Context, taskID, fileReferenceID string) (string, error) {
	return c.ticket(ctx, taskID, "scriptlog", "fileReferenceId", fileReferenceID)
}

// ScriptLogTicketByResult asks for the ticket in the way of newer servers: by the ID of the execution result.
func (c *Client) ScriptLogTicketByResult(ctx context.Context, taskID, resultID string) (string, error) {
	return c.ticket(ctx, taskID, "scriptlogfile", "executionResultId", resultID)
}

func (c *Client) ticket(ctx context.Context, taskID, resource, parameter, id string) (string, error) {
	r := request{
		op: opScriptLogTicket, path: "reloadtask/" + strings.ToLower(taskID) + "/" + resource,
		params: parameter + "=" + id, single: true,
	}
	if !qlik.IsGUID(taskID) || !qlik.IsGUID(id) {
		return "", c.rejected(r, errors.New("the ID of the task or of its result is not an object ID"))
	}
	body, err := c.send(ctx, r)
	if err != nil {
		return "", err
	}
	var answer struct {
		Value text `json:"value"`
	}
	if err := decodeObject(body, &answer); err != nil {
		return "", c.invalid(r, "%w", err)
	}
	if !isTicket(string(answer.Value)) {
		return "", c.invalid(r, "the answer holds no usable ticket")
	}
	return string(answer.Value), nil
}

// isTicket reports whether s can stand in a path without changing it. Tickets are GUIDs today.
func isTicket(s string) bool {
	if s == "" || len(s) > 200 || strings.Trim(s, ".") == "" {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("-._~", rune(s[i])) {
			return false
		}
	}
	return true
}

// DownloadScriptLog returns the text that a ticket stands for, as it is:
// whatever its form, it is never read as JSON. Of a very long one both ends are
// there: how the reload began, and why it failed.
func (c *Client) DownloadScriptLog(ctx context.Context, ticket string) (string, error) {
	r := request{
		op: opScriptLogDownload, path: "download/reloadtask/" + escape(ticket, "-._~") + "/scriptlog.txt",
		limit: maxScriptLogBytes, ends: true, single: true,
	}
	if !isTicket(ticket) {
		return "", c.rejected(r, errors.New("the script log ticket is not usable"))
	}
	body, err := c.send(ctx, r)
	if err != nil {
		return "", err
	}
	return strings.ToValidUTF8(string(body), "\uFFFD"), nil
}
