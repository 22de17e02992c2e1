-- A job, and how it comes from place to place.

-- Ids in the order of their tickets, for jobs with the same score.
function jobs.member(ticket, id)
  return string.format('%016d', ticket) .. id
end

function jobs.id_in(member)
  return string.sub(member, 17)
end

function jobs.next_ticket()
  return call('INCR', prefix .. 'ticket')
end

-- A job as it was accepted: `TICKET ENQUEUED DUE PRIORITY EXPIRES PLACE LENGTH TYPE`, and its JSON. DUE and EXPIRES may be `-`;
-- PLACE is `l` if it went to the list of its type, `o` if to another place. It is `m` of one that has moved to another store: it is known no
-- longer, but for its id, and a digest stands for its JSON.
function jobs.parse(id, record)
  local ticket, enqueued, due, priority, expires, place, length, at = string.match(record, '^(%d+) (%d+) (%S+) (%S+) (%S+) (%a) (%d+) ()')
  local job = { id = id, record = record, ticket = tonumber(ticket), enqueued = tonumber(enqueued), priority = tonumber(priority) }
  job.due = tonumber(due) or job.enqueued
  job.expires = tonumber(expires)
  job.listed = place == 'l'
  job.has_moved = place == 'm'
  job.body = at + tonumber(length)
  job.type = string.sub(record, at, job.body - 1)
  return job
end

-- What went wrong with a job, or differs from how it was accepted: `ATTEMPTS EARLIER CRASHES SCORE TICKET LIFTED STATE AT`. Of its
-- ATTEMPTS, EARLIER ones count no longer. SCORE and TICKET are its place in the order, LIFTED is `y` if its expiry is. `-` is nothing.
function jobs.parse_past(text)
  local past = { attempts = 0, earlier = 0, crashes = 0, lifted = false }
  if text then
    local attempts, earlier, crashes, score, ticket, lifted, state, at = string.match(text, '^(%d+) (%d+) (%d+) (%S+) (%S+) (%a) (%S+) (%S+)$')
    past.attempts, past.earlier, past.crashes = tonumber(attempts), tonumber(earlier), tonumber(crashes)
    past.score, past.ticket, past.lifted = tonumber(score), tonumber(ticket), lifted == 'y'
    past.state, past.at = state ~= '-' and state or nil, tonumber(at)
  end
  return past
end

function jobs.remember(job)
  local past = job.past
  local text = string.format('%d %d %d %s %s %s %s %s', past.attempts, past.earlier, past.crashes, past.score and int(past.score) or '-',
    past.ticket and int(past.ticket) or '-', past.lifted and 'y' or 'n', past.state or '-', past.at and int(past.at) or '-')
  call('HSET', prefix .. 'past', job.id, text)
end

-- The job with an id, or nothing.
function jobs.load(id)
  local record = call('HGET', prefix .. 'jobs', id)
  if not record then
    return nil
  end
  local job = jobs.parse(id, record)
  job.past = jobs.parse_past(call('HGET', prefix .. 'past', id))
  return job
end

function jobs.score_of(job)
  return job.past.score or job.due - job.priority * STEP
end

function jobs.member_of(job)
  return jobs.member(job.past.ticket or job.ticket, job.id)
end

function jobs.watch_expiry(job)
  if job.expires and not job.past.lifted then
    call('ZADD', prefix .. 'expiring', int(job.expires), job.id)
  end
end

-- Ends a job that is in no place any more, other than by death.
function jobs.end_as(job, state)
  if is_asked(job.id) then
    call('SREM', prefix .. 'asked', job.id)
  end
  if state ~= 'done' then
    job.past.state, job.past.at = state, now
    jobs.remember(job)
  end
  list_ended(state, job.type, job.id)
end

-- A dead letter.
function jobs.die(job, failure)
  if is_asked(job.id) then
    call('SREM', prefix .. 'asked', job.id)
  end
  job.past.ticket = jobs.next_ticket()
  jobs.remember(job)
  died[#died + 1] = job.id
  call('HSET', prefix .. 'failure', job.id, failure)
  call('ZADD', prefix .. 'dead', int(now), jobs.member_of(job))
  count('dead', job.type, 1)
end

-- Waiting places

function jobs.put_ready(job)
  call('ZADD', prefix .. 'ready:' .. job.type, int(jobs.score_of(job)), jobs.member_of(job))
  jobs.watch_expiry(job)
  wake(job.type)
end

function jobs.state_of_waiting(job)
  return job.past.ticket and 'retrying' or 'scheduled'
end

function jobs.put_due(job, due)
  call('ZADD', prefix .. 'due', int(due), jobs.member_of(job))
  count(jobs.state_of_waiting(job), job.type, 1)
  jobs.watch_expiry(job)
  wake(job.type) -- for its time: who waits may have to wait less
end

-- Back to where it was before it was handed out.
function jobs.put_back(job)
  if is_asked(job.id) then
    jobs.end_as(job, 'cancelled')
  else
    jobs.put_ready(job)
  end
end

-- Takes a waiting job out of its place, wherever that is.
function jobs.leave_waiting(job, state)
  local of = jobs.member_of(job)
  if state == 'scheduled' then
    call('ZREM', prefix .. 'due', of)
    count(jobs.state_of_waiting(job), job.type, -1)
  elseif call('ZREM', prefix .. 'ready:' .. job.type, of) == 0 then
    -- In the list, where it cannot be reached: whoever comes upon it there passes it over, once.
    call('HSET', prefix .. 'gone:' .. job.type, job.id, int(job.ticket))
    gone[job.type] = true
  end
  if job.expires then
    call('ZREM', prefix .. 'expiring', job.id)
  end
end
