"""Names the isolated queue, but lies outside its folder."""

from airflow.sdk import dag, task


@dag(schedule=None)
def from_elsewhere():
    @task(queue="team-a", retries=3)
    def look():
        from airflow.sdk import Variable

        print("owner is", Variable.get("owner"))

    look()


from_elsewhere()
