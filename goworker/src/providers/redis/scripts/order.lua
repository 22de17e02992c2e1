-- The order among jobs of several types, or of one type that are in several places.

-- The first jobs of a type, up to `room`, in order. Nothing is taken yet.
function order.candidates(type, room)
  local list, ordered = prefix .. 'list:' .. type, prefix .. 'ready:' .. type
  local found, from = {}, 0
  while #found < room do
    local page = call('LRANGE', list, from, from + room - 1)
    local records = #page > 0 and call('HMGET', prefix .. 'jobs', unpack(page)) or {}
    for index, id in ipairs(page) do
      if #found < room and records[index] and not is_passed_over(type, id) then
        local job = jobs.parse(id, records[index])
        found[#found + 1] = { score = job.due, ticket = job.ticket, id = id, type = type }
      end
    end
    if #page < room then
      break
    end
    from = from + room
  end
  local waiting = call('ZRANGE', ordered, 0, room - 1, 'WITHSCORES')
  for index = 1, #waiting, 2 do
    local of = waiting[index]
    found[#found + 1] = { score = tonumber(waiting[index + 1]), ticket = tonumber(string.sub(of, 1, 16)), id = jobs.id_in(of), type = type, of = of }
  end
  table.sort(found, function(a, b)
    return a.score < b.score or (a.score == b.score and a.ticket < b.ticket)
  end)
  return found
end

-- How many of which type the first `room` jobs are: of these types and numbers, or of all types.
function order.shares(room, demand)
  local first, share = {}, {}
  local types = demand or call('HKEYS', prefix .. 'types')
  for index = 1, #types, demand and 2 or 1 do
    local type, most = types[index], demand and math.min(tonumber(demand[index + 1]), room) or room
    for nth, found in ipairs((is_paused(type) or most == 0) and {} or order.candidates(type, most)) do
      -- More may have been found than were looked for.
      if nth <= most then
        first[#first + 1] = found
      end
    end
  end
  table.sort(first, function(a, b)
    return a.score < b.score or (a.score == b.score and a.ticket < b.ticket)
  end)
  for index = 1, math.min(room, #first) do
    local type = first[index].type
    share[type] = (share[type] or 0) + 1
  end
  local flat = {}
  for type, slots in pairs(share) do
    flat[#flat + 1], flat[#flat + 2] = type, slots
  end
  return flat
end
