#define _GNU_SOURCE /* splice */
#include "flow.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { REST_MS = 100 };

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

bool flow_is_over(const struct flow *flow)
{
	return flow->from < 0 && flow->to < 0;
}

static void close_sink(struct flow *flow)
{
	if (flow->terminal_sink)
		flow->to = -1;
	close_fd(&flow->to);
}

static void close_source(struct flow *flow)
{
	if (flow->terminal_source)
		flow->from = -1;
	close_fd(&flow->from);
}

void flow_close(struct flow *flow)
{
	close_source(flow);
	close_sink(flow);
	flow->start = flow->end = 0;
}

/* The source has ended: so does the sink, after what is on its way. */
static void source_ended(struct flow *flow)
{
	close_source(flow);
	if (flow->start == flow->end)
		close_sink(flow);
}

/*
 * Nobody reads. Closing the source lets its writer know, as without us between them: a program by SIGPIPE; the sidecar by
 * EPIPE, and it tells the client (eow@openssh.com).
 */
static void sink_gone(struct flow *flow)
{
	close_sink(flow);
	flow->start = flow->end = 0;
	flow->splices = false;
	close_source(flow);
}

int flow_poll(struct flow *flow, struct pollfd wanted[2])
{
	bool pending = flow->start < flow->end;
	bool reads = flow->splices ? !flow->wants_room : flow->end < FLOW_BUFFER || flow->start > 0;
	bool writes = flow->splices ? flow->wants_room : pending;
	/*
	 * poll(2) reports POLLHUP and POLLERR whether asked or not. At a source that we do not want to read now it would
	 * wake us for ever: leave it out. At a sink it is how we learn that nobody reads, except for a terminal.
	 */
	wanted[0] = (struct pollfd){.fd = reads && !flow->resting ? flow->from : -1, .events = POLLIN};
	wanted[1] = (struct pollfd){.fd = writes || !flow->terminal_sink ? flow->to : -1, .events = writes ? POLLOUT : 0};
	if (flow->last_call && flow->from >= 0 && flow->end < FLOW_BUFFER)
		return 0;
	return flow->resting ? REST_MS : -1;
}

static void make_space(struct flow *flow)
{
	memmove(flow->buffer, flow->buffer + flow->start, flow->end - flow->start);
	flow->end -= flow->start;
	flow->start = 0;
}

static void fill(struct flow *flow)
{
	if (flow->end == FLOW_BUFFER)
		make_space(flow);
	ssize_t count = read(flow->from, flow->buffer + flow->end, FLOW_BUFFER - flow->end);
	if (count > 0 && flow->to >= 0)
		flow->end += (size_t)count; /* else there is nobody to read it */
	if (count > 0 || (count < 0 && would_block() && !flow->last_call))
		return;
	if (count < 0 && flow->terminal_source && errno == EIO && !flow->last_call)
		flow->resting = true; /* no process has the peer open, but /dev/tty would open it again */
	else
		source_ended(flow);
}

static void drain(struct flow *flow)
{
	ssize_t count = write(flow->to, flow->buffer + flow->start, flow->end - flow->start);
	if (count < 0 && would_block())
		return;
	if (count < 0 && !flow->terminal_sink) {
		sink_gone(flow);
		return;
	}
	flow->start += count < 0 ? flow->end - flow->start : (size_t)count; /* typed at a terminal without any reader */
	if (flow->start < flow->end)
		return;
	flow->start = flow->end = 0;
	if (flow->from < 0)
		close_sink(flow);
}

/* Bytes that never pass through our memory. EAGAIN does not say which end it means: wait for the other one next. */
static void splice_once(struct flow *flow)
{
	ssize_t count = splice(flow->from, NULL, flow->to, NULL, 1 << 20, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (count > 0)
		flow->wants_room = false;
	else if (count == 0)
		source_ended(flow);
	else if (would_block())
		flow->wants_room = !flow->wants_room;
	else if (errno == EINVAL)
		flow->splices = false; /* an end that cannot, like a terminal: copy */
	else if (errno == EPIPE)
		sink_gone(flow);
	else
		source_ended(flow); /* ECONNRESET: a socket closed with bytes unread */
}

void flow_move(struct flow *flow, const struct pollfd answered[2])
{
	bool ready_source = answered[0].fd >= 0 && answered[0].revents;
	bool ready_sink = answered[1].fd >= 0 && answered[1].revents;
	flow->resting = false;
	if (flow->to >= 0 && !flow->terminal_sink && (answered[1].revents & (POLLERR | POLLHUP)))
		sink_gone(flow);
	else if (flow->splices && (ready_source || ready_sink))
		splice_once(flow);
	else if (!flow->splices && ready_sink && flow->start < flow->end)
		drain(flow);
	if (!flow->splices && flow->from >= 0 && (ready_source || (flow->last_call && flow->end < FLOW_BUFFER)))
		fill(flow);
}
