-- Lua 5.3: pages by integer division. Params: {"total": 95, "per_page": 10}
-- Result: [10,5,"integer"]
local pages = (job.params.total + job.params.per_page - 1) // job.params.per_page
return { pages, job.params.total % job.params.per_page, math.type(pages) }
