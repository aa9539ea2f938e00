"""The server to compare with: FastAPI and uvicorn, which answer a constant.

``python -m benchmarks.serving.bare PORT``
"""

import sys

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

app = FastAPI()

_CONSTANT = {
    "RequestId": "DD1D937B-50CF-41A6-9587-42686BDDAD95",
    "TaskId": "FigureClustering-00000000-0000-4000-8000-000000000000",
    "Status": "Succeeded",
}


@app.post("/")
async def answer() -> JSONResponse:
    """Return the constant."""
    return JSONResponse(_CONSTANT)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
