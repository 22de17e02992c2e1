-- Where a job is, found from its id: the places are asked in turn. What runs is looked for in the batches, as many as there are processes;
-- what waits in the list of its type has a ticket that is not before that of the list's head; what is in no place is done.

local running -- by id: token
function find.running_in(id)
  if not running then
    running = {}
    for _, batch in ipairs(all_batches()) do
      each_open(batch, function(_, held)
        running[held] = batch.token
      end)
    end
  end
  return running[id]
end

local function is_in_list(job)
  if not job.listed or is_passed_over(job.type, job.id) then
    return false
  end
  local head = call('LINDEX', prefix .. 'list:' .. job.type, 0)
  if not head then
    return false
  end
  local record = call('HGET', prefix .. 'jobs', head)
  local ticket = tonumber(call('HGET', prefix .. 'gone:' .. job.type, head) or nil) or (record and jobs.parse(head, record).ticket) or 0
  return job.ticket >= ticket
end

-- The state of a job, and the instant that belongs to it: when it is due, its lease is over, or it ended (absent if it is done).
function find.state_of(job)
  if job.past.state then
    return job.past.state, job.past.at
  end
  if moving.is_moving(job.id) then
    return moving.state_of_moving(job), job.due
  end
  local of = jobs.member_of(job)
  local due = call('ZSCORE', prefix .. 'due', of)
  if due then
    return 'scheduled', tonumber(due)
  end
  if call('ZSCORE', prefix .. 'ready:' .. job.type, of) then
    return 'ready'
  end
  local died = call('ZSCORE', prefix .. 'dead', of)
  if died then
    return 'dead', tonumber(died)
  end
  local token = find.running_in(job.id)
  if token then
    return 'running', tonumber(call('ZSCORE', prefix .. 'lease', token))
  end
  if is_in_list(job) then
    return 'ready'
  end
  return 'done'
end

-- Goes through the groups that have ended, the newest first, in pages, until `visit` says that it has seen enough: state, when, types with
-- numbers, ids.
function find.each_ended(visit)
  local PAGE = 200
  local key, last = prefix .. 'ended', -1
  while true do
    local page = call('LRANGE', key, last - PAGE + 1, last)
    for index = #page, 1, -1 do
      local entry = cmsgpack.unpack(page[index])
      entry.text, entry[4] = entry[4], read_ids(entry[4])
      if visit(entry, last - (#page - index)) then
        return
      end
    end
    if #page < PAGE then
      return
    end
    last = last - PAGE
  end
end
