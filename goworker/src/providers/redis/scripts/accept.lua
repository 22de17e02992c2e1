-- How jobs come in. Each is four texts: id, type, OPTIONS, JSON. OPTIONS is empty for most, else `PRIORITY START EXPIRES`, where START is
-- `@MS` for an instant, `+MS` for a delay, and `-` is nothing.

local lowest = {} -- by type, the lowest priority that is known

local function know_type(type, priority)
  local known = lowest[type] or tonumber(call('HGET', prefix .. 'types', type) or nil)
  if not known then
    call('SETNX', prefix .. 'layout', 1)
    call('RPUSH', prefix .. 'wake', 1) -- who waits for any type does not know this one
    call('LTRIM', prefix .. 'wake', 0, 0)
  end
  if not known or known > priority then
    known = math.min(priority, 0)
    call('HSET', prefix .. 'types', type, known)
  end
  lowest[type] = known
end

local gone = {} -- by type, whether ids in the list are passed over

local function is_passed_over(type, id)
  if gone[type] == nil then
    gone[type] = call('EXISTS', prefix .. 'gone:' .. type) == 1
  end
  return gone[type] and call('HEXISTS', prefix .. 'gone:' .. type, id) == 1
end

-- Takes in those of `count` jobs in ARGV from `from` on that are new. Answers a letter for each: Created, Exists, or conFlict.
local function accept(from, count_of)
  local ids = {}
  for n = 0, count_of - 1 do
    ids[n + 1] = ARGV[from + 4 * n]
  end
  local known = call('HMGET', prefix .. 'jobs', unpack(ids))
  local ticket = call('INCRBY', prefix .. 'ticket', count_of) - count_of
  local answers, records, lists, others, seen, heads = {}, {}, {}, {}, {}, {}
  for n = 1, count_of do
    local id, type, options, json = ids[n], ARGV[from + 4 * n - 3], ARGV[from + 4 * n - 2], ARGV[from + 4 * n - 1]
    local record = known[n] or seen[id]
    if record then
      answers[n] = string.sub(record, parse(id, record).body) == json and 'E' or 'F'
    else
      ticket = ticket + 1
      if options == '' and not is_passed_over(type, id) then
        local head = heads[type]
        if not head then
          know_type(type, 0)
          head = string.format(' %.0f - 0 - l %d %s', now, #type, type)
          heads[type] = head
          lists[type] = {}
        end
        record = int(ticket) .. head .. json
        local list = lists[type]
        list[#list + 1] = id
      else
        local priority, start, expires = string.match(options, '^(%S+) (%S+) (%S+)$')
        local kind, ms = string.match(start or '-', '^([@+])(.+)$')
        local due = math.max(kind == '+' and now + tonumber(ms) or tonumber(ms or nil) or now, now)
        know_type(type, tonumber(priority or 0))
        record = string.format('%.0f %.0f %s %s %s o %d %s', ticket, now, due > now and int(due) or '-', priority or '0', expires or '-', #type, type)
          .. json
        others[#others + 1] = { id = id, record = record }
      end
      seen[id] = record
      records[#records + 1], records[#records + 2] = id, record
      answers[n] = 'C'
    end
  end
  if #records > 0 then
    call('HSET', prefix .. 'jobs', unpack(records))
  end
  for type, list in pairs(lists) do
    if #list > 0 then
      call('RPUSH', prefix .. 'list:' .. type, unpack(list))
      wake(type)
    end
  end
  for _, other in ipairs(others) do
    local job = parse(other.id, other.record)
    job.past = parse_past(nil)
    if job.due > now then
      put_due(job, job.due)
    else
      put_ready(job)
    end
  end
  return table.concat(answers)
end
